//! Commands that show what is recorded.

use std::process::ExitCode;

use bishui_infra::event_log::Position;
use serde_json::Value;

use super::args::{Cli, Command, MailCommand, NoticesCommand, PlanCommand};
use super::exit;
use super::output::{Output, cell, rows, yuan};
use super::session::Session;
use crate::error::OfficeError;
use crate::query::{Query, Until};

pub(super) async fn run(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    match &cli.command {
        Command::Replay { until: None } => replay(&session, output).await,
        Command::Replay { until: Some(until) } => {
            let answer = session.ask(&Query::Until { until: parse_until(until)? }).await?;
            output.show(&answer, |output| end_state(output, &answer));
            Ok(ExitCode::SUCCESS)
        }
        command => list(&session, command, output).await,
    }
}

/// Asks the question of a command and shows the answer.
pub(super) async fn list(session: &Session, command: &Command, output: &Output) -> Result<ExitCode, OfficeError> {
    let (query, show): (Query, fn(&Output, &Value)) = match command {
        Command::Status { county } => (Query::Status { county: county.clone() }, status),
        Command::Explain { section, period } => {
            (Query::Explain { section: section.clone(), period: *period }, explanation)
        }
        Command::Evaluate { period } => (Query::Evaluate { period: *period }, verdicts),
        Command::Ledger { year, county } => (Query::Ledger { year: *year, county: county.clone() }, ledger),
        Command::Events { after, limit } => (Query::Events { after: Position(*after), limit: *limit }, events),
        Command::Plan(PlanCommand::Show) => (Query::Plan, plan),
        Command::Notices(NoticesCommand::List { county, state }) => {
            (Query::Notices { county: county.clone(), state: *state }, notices)
        }
        Command::Notices(NoticesCommand::Show { notice }) => (Query::Notice { notice: *notice }, notice_text),
        Command::Mail(MailCommand::List) => (Query::Mails, mails),
        other => unreachable!("{other:?} asks nothing"),
    };
    let answer = session.ask(&query).await?;
    output.show(&answer, |output| show(output, &answer));
    Ok(ExitCode::SUCCESS)
}

fn parse_until(text: &str) -> Result<Until, OfficeError> {
    if let Ok(position) = text.parse::<u64>() {
        return Ok(Until::Position(Position(position)));
    }
    let what = format!("`{text}` is neither a position nor an instant like 2020-05-01T00:00:00+08:00");
    text.parse().map(Until::Time).map_err(|_| OfficeError::Input { what })
}

async fn replay(session: &Session, output: &Output) -> Result<ExitCode, OfficeError> {
    let waiting = output.spinner("deriving every decision again");
    let answer = session.ask(&Query::Replay).await;
    waiting.finish_and_clear();
    let answer = answer?;
    let differing = answer["differing"].as_u64().unwrap_or(u64::MAX);
    output.show(&answer, |output| {
        let (events, decisions) = (&answer["events"], &answer["decisions"]);
        output.line(format_args!("{events} events read, {decisions} decisions derived again, {differing} differ"));
        for difference in answer["differences"].as_array().into_iter().flatten() {
            let at = |field: &str| cell(difference, field);
            output.line(format_args!("position {} {} in {}", at("/position"), at("/type"), at("/stream")));
            output.line(format_args!("  recorded: {}", or_nothing(at("/recorded"))));
            output.line(format_args!("  derived:  {}", or_nothing(at("/expected"))));
        }
    });
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "nothing".to_owned() } else { text }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn status(output: &Output, counties: &Value) {
    let summary = items(counties).iter().map(|county| {
        let open = county.get("open_interview").filter(|open| !open.is_null());
        let balance: i64 = items(&county["compensation"]).iter().filter_map(|year| year["balance_fen"].as_i64()).sum();
        vec![
            cell(county, "/county"),
            cell(county, "/name"),
            format!("{}/{}", cell(county, "/interviews_held"), cell(county, "/interviews_needed")),
            open.map(|open| format!("open since {}", cell(open, "/period"))).unwrap_or_default(),
            rows(&county["proposals"], &["/year", "/status"])
                .iter()
                .map(|p| p.join(" "))
                .collect::<Vec<_>>()
                .join(", "),
            bishui_domain::money::Fen(balance).to_string(),
            items(&county["deadlines"]).len().to_string(),
        ]
    });
    let headers = ["id", "county", "interviews this year", "interview", "proposals", "owed", "open deadlines"];
    output.table(&headers, summary.collect(), "no plan is adopted");
    for county in items(counties) {
        let steps = items(&county["next_steps"]);
        let deadlines = items(&county["deadlines"]);
        if steps.is_empty() && deadlines.is_empty() {
            continue;
        }
        output.line(format_args!("\n{}", cell(county, "/name")));
        for step in steps {
            output.line(format_args!("  · {}", cell(step, "")));
        }
        for deadline in deadlines {
            let at = |field: &str| cell(deadline, field);
            let late = if deadline["overdue"] == true { " OVERDUE" } else { "" };
            let provisional = if deadline["provisional"] == true { " (provisional)" } else { "" };
            output.line(format_args!(
                "  ! {} {}: due {}{provisional}{late}",
                at("/number"),
                at("/duty"),
                at("/due_on")
            ));
        }
    }
}

fn explanation(output: &Output, answer: &Value) {
    let at = |field: &str| cell(answer, field);
    let provisional = if answer["provisional"] == true { " (not published: provisional)" } else { "" };
    output.line(format_args!("{} {} {}{provisional}", at("/name"), at("/county_name"), at("/period")));
    output.line(format_args!(
        "{} ({}); class {}, target {}; evaluated {}/21; reason {}",
        at("/verdict_chinese"),
        at("/verdict"),
        or_nothing(at("/class")),
        at("/target"),
        at("/evaluated"),
        or_nothing(at("/reason"))
    ));
    let fields = ["/name", "/printed", "/value", "/class", "/limit", "/multiple", "/basis", "/left_out"];
    output.table(
        &["indicator", "printed", "value", "class", "limit", "multiple", "made from", "left out"],
        rows(&answer["indicators"], &fields),
        "no indicator has a value",
    );
    for month in items(&answer["months"]) {
        let used = items(&month["readings"]).iter().filter(|reading| reading["used"] == true).count();
        let all = items(&month["readings"]).len();
        output.line(format_args!(
            "{}: {used} of {all} readings used (readings at version {})",
            cell(month, "/month"),
            cell(month, "/version")
        ));
        let fields = ["/at", "/source", "/indicator", "/value", "/status", "/used", "/why"];
        output.table(
            &["time", "source", "indicator", "value", "status", "used", "why not"],
            rows(&month["readings"], &fields),
            "  no readings",
        );
    }
    output.line(format_args!("plan revision {}; settings in force:", at("/revision")));
    output.line(serde_json::to_string(&answer["rules"]).unwrap_or_default());
    output.table(&["rule", "clause", "says"], rows(&answer["sources"], &["/rule", "/clause", "/says"]), "");
}

fn verdicts(output: &Output, lines: &Value) {
    let row = |line: &Value| {
        let unmet = items(&line["unmet"]).iter().map(|u| {
            format!(
                "{} {} (limit {}{})",
                cell(u, "/indicator"),
                cell(u, "/value"),
                cell(u, "/limit"),
                match cell(u, "/multiple") {
                    m if m.is_empty() => m,
                    m => format!(", ×{m}"),
                }
            )
        });
        vec![
            cell(line, "/section"),
            cell(line, "/verdict"),
            cell(line, "/class"),
            cell(line, "/target"),
            cell(line, "/evaluated"),
            unmet.collect::<Vec<_>>().join("; "),
            cell(line, "/reason"),
        ]
    };
    let headers = ["section", "verdict", "class", "target", "of 21", "unmet", "reason"];
    output.table(&headers, items(lines).iter().map(row).collect(), "no section is active in this period");
}

fn ledger(output: &Output, answer: &Value) {
    let row = |line: &Value| {
        let at = |field: &str| cell(line, field);
        vec![
            at("/position"),
            at("/county_name"),
            at("/what"),
            at("/month"),
            at("/sections"),
            at("/debit"),
            at("/credit"),
            yuan(line, "/fen"),
            yuan(line, "/balance_fen"),
        ]
    };
    let headers = ["position", "county", "what", "month", "sections", "debit", "credit", "amount", "owed after"];
    output.table(&headers, items(&answer["lines"]).iter().map(row).collect(), "no movement");
    output.line(format_args!(
        "{}: debits {} = credits {}",
        cell(answer, "/year"),
        yuan(answer, "/debit_fen"),
        yuan(answer, "/credit_fen")
    ));
}

fn events(output: &Output, answer: &Value) {
    let fields = ["/position", "/recorded_at", "/type", "/stream", "/version", "/actor"];
    output.table(
        &["position", "recorded", "type", "stream", "version", "actor"],
        rows(&answer["events"], &fields),
        "no event after this position",
    );
    output.line(format_args!("head: {}", cell(answer, "/head")));
}

fn plan(output: &Output, answer: &Value) {
    let plan = &answer["plan"];
    let at = |field: &str| cell(plan, field);
    output.line(format_args!(
        "{} ({}), year {}, revision {} from {}",
        at("/plan/id"),
        at("/plan/municipality"),
        at("/plan/year"),
        cell(answer, "/revision"),
        cell(answer, "/effective_from")
    ));
    if !at("/plan/note").is_empty() {
        output.line(at("/plan/note"));
    }
    output.table(
        &["county", "name", "kind", "emails", "invented"],
        rows(&plan["county"], &["/id", "/name", "/kind", "/emails", "/invented"]),
        "no county",
    );
    let fields = ["/id", "/name", "/water", "/kind", "/county", "/level", "/target", "/from", "/until", "/invented"];
    output.table(
        &["section", "name", "water", "kind", "county", "level", "target", "from", "until", "invented"],
        rows(&plan["section"], &fields),
        "no section",
    );
    output.line(format_args!("rules: {}", plan["rules"]));
}

fn notices(output: &Output, list: &Value) {
    let fields = [
        "/id",
        "/kind_chinese",
        "/number",
        "/county_name",
        "/period",
        "/state_chinese",
        "/sent_on",
        "/due_on",
        "/overdue",
    ];
    output.table(
        &["id", "kind", "number", "county", "period", "state", "sent", "next due", "overdue"],
        rows(list, &fields),
        "no notice",
    );
}

fn notice_text(output: &Output, answer: &Value) {
    let at = |field: &str| cell(answer, field);
    output.line(format_args!("{} {} {}", at("/kind_chinese"), at("/number"), at("/state_chinese")));
    output.line(at("/text"));
    let fields = ["/duty", "/due_on", "/provisional", "/open", "/overdue", "/calculation"];
    output.table(
        &["duty", "due", "provisional", "open", "overdue", "how it was counted"],
        rows(&answer["deadlines"], &fields),
        "no deadline",
    );
    output.table(
        &["position", "when", "what", "who"],
        rows(&answer["history"], &["/position", "/recorded_at", "/type", "/actor"]),
        "",
    );
}

fn mails(output: &Output, list: &Value) {
    let fields = ["/id", "/kind", "/county", "/period", "/subject", "/counts", "/attempts", "/retry_at"];
    output.table(
        &["id", "kind", "county", "period", "subject", "recipients", "attempts", "next attempt"],
        rows(list, &fields),
        "no mail",
    );
}

/// The short table of an end state: also what the demonstration prints.
pub(super) fn end_state(output: &Output, state: &Value) {
    let count = |list: &str, field: &str, wanted: &str| {
        items(&state[list]).iter().filter(|line| cell(line, field) == wanted).count()
    };
    let rounds: std::collections::BTreeSet<_> =
        items(&state["verdicts"]).iter().map(|line| cell(line, "/period")).collect();
    let charged: i64 = items(&state["charges"]).iter().filter_map(|line| line["fen"].as_i64()).sum();
    let by_status = |list: &str, words: &[&str]| {
        let counts = words.iter().map(|word| (count(list, "/status", word), word)).filter(|(count, _)| *count > 0);
        counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    };
    let rows = vec![
        vec!["rounds published".to_owned(), rounds.len().to_string()],
        vec![
            "verdicts".to_owned(),
            format!(
                "{} met, {} unmet, {} unassessed",
                count("verdicts", "/verdict", "met"),
                count("verdicts", "/verdict", "unmet"),
                count("verdicts", "/verdict", "unassessed")
            ),
        ],
        vec![
            "charges".to_owned(),
            format!("{}, {} in all", items(&state["charges"]).len(), bishui_domain::money::Fen(charged)),
        ],
        vec!["warning notices".to_owned(), by_status("warnings", &["standing", "withdrawn"])],
        vec!["interviews".to_owned(), by_status("interviews", &["required", "held", "cancelled"])],
        vec!["proposals".to_owned(), by_status("proposals", &["drafted", "issued", "shelved", "withdrawn"])],
        vec!["mails sent".to_owned(), items(&state["mails"]).len().to_string()],
        vec!["events".to_owned(), cell(state, "/positions")],
    ];
    output.table(&["what", "how many"], rows, "");
    if let Some(settlement) = state.get("settlement").filter(|settlement| !settlement.is_null()) {
        let at = |field: &str| yuan(settlement, field);
        output.line(format_args!(
            "settlement {}: collected {}, province {}, municipal {}, {} counties rewarded",
            cell(settlement, "/year"),
            at("/collected_fen"),
            at("/provincial_fen"),
            at("/municipal_fen"),
            items(&settlement["rewards"]).len()
        ));
    }
}
