//! Lists for people: verdicts, ledger, events, the plan, notices, mails.

use serde_json::Value;

use super::output::{Output, beijing, cell, items, rows, short, yuan};

/// The verdicts of a round.
pub(super) fn verdicts(output: &Output, lines: &Value) {
    let row = |line: &Value| {
        let at = |field: &str| cell(line, field);
        let unmet = items(&line["unmet"]).iter().map(missed).collect::<Vec<_>>().join("; ");
        vec![at("/section"), at("/verdict"), at("/class"), at("/target"), at("/evaluated"), unmet, at("/reason")]
    };
    let headers = ["section", "verdict", "class", "target", "of 21", "unmet", "reason"];
    output.table(&headers, items(lines).iter().map(row).collect(), "no section is active in this period");
}

/// Verdicts as they are and as they would be.
pub(super) fn what_if(output: &Output, answer: &Value) {
    let side = |name: &str| {
        let at = |field: &str| cell(&answer[name], field);
        let classes = items(&answer[name]["classes"]).iter().map(|class| cell(class, "/1"));
        let mut row = vec![name.to_owned()];
        row.extend(classes);
        row.extend([at("/met"), at("/unmet"), at("/unassessed"), at("/longest_unmet_run")]);
        row
    };
    let headers = ["", "I", "II", "III", "IV", "V", "inferior V", "met", "unmet", "unassessed", "longest unmet run"];
    output.table(&headers, vec![side("before"), side("after")], "");
    let row = |change: &Value| {
        let at = |field: &str| cell(change, field);
        let unmet: Vec<_> = items(&change["after"]["unmet"]).iter().map(|indicator| cell(indicator, "")).collect();
        vec![
            at("/period"),
            at("/section"),
            at("/name"),
            format!("{} {}", at("/before/class"), at("/before/verdict")).trim().to_owned(),
            format!("{} {}", at("/after/class"), at("/after/verdict")).trim().to_owned(),
            unmet.join(" "),
        ]
    };
    let headers = ["period", "section", "name", "is", "would be", "unmet then"];
    output.table(&headers, items(&answer["changes"]).iter().map(row).collect(), "no verdict or class would change");
    output.line(format_args!("{} verdicts or classes would change", cell(answer, "/changed")));
}

/// An unmet indicator: `nh3n 2.19 (limit 2.0, ×0.09)`.
fn missed(unmet: &Value) -> String {
    let at = |field: &str| cell(unmet, field);
    let multiple = Some(at("/multiple")).filter(|multiple| !multiple.is_empty());
    let multiple = multiple.map(|multiple| format!(", ×{multiple}")).unwrap_or_default();
    format!("{} {} (limit {}{multiple})", at("/indicator"), short(&at("/value")), at("/limit"))
}

/// Movements of money.
pub(super) fn ledger(output: &Output, answer: &Value) {
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

/// Recorded events.
pub(super) fn events(output: &Output, answer: &Value) {
    let row = |event: &Value| {
        let at = |field: &str| cell(event, field);
        vec![at("/position"), beijing(event, "/recorded_at"), at("/type"), at("/stream"), at("/version"), at("/actor")]
    };
    let headers = ["position", "recorded (Beijing)", "type", "stream", "version", "actor"];
    output.table(&headers, items(&answer["events"]).iter().map(row).collect(), "no event after this position");
    output.line(format_args!("the newest position is {}", cell(answer, "/head")));
}

/// The plan in force.
pub(super) fn plan(output: &Output, answer: &Value) {
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
    settings(output, &plan["rules"]);
}

/// The settings of the rules, one a line.
pub(super) fn settings(output: &Output, rules: &Value) {
    let entries = rules.as_object().into_iter().flatten();
    let shown = entries.map(|(name, setting)| {
        let setting = setting.as_str().map_or_else(|| setting.to_string(), str::to_owned);
        vec![name.clone(), setting]
    });
    output.table(&["rule", "setting"], shown.collect(), "no setting");
}

/// Notices.
pub(super) fn notices(output: &Output, list: &Value) {
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

/// One notice: its letter, what is due, what happened to it.
pub(super) fn notice(output: &Output, answer: &Value) {
    let at = |field: &str| cell(answer, field);
    output.line(format_args!("{} {} {}", at("/kind_chinese"), at("/number"), at("/state_chinese")));
    output.line(format_args!("\n{}\n", at("/text").trim_end()));
    for deadline in items(&answer["deadlines"]) {
        let at = |field: &str| cell(deadline, field);
        let state = match (deadline["open"] == true, deadline["overdue"] == true) {
            (_, true) => ", OVERDUE",
            (true, false) => "",
            (false, false) => ", done",
        };
        let provisional = if deadline["provisional"] == true { ", provisional" } else { "" };
        output.line(format_args!("{} due {}{provisional}{state}: {}", at("/duty"), at("/due_on"), at("/calculation")));
    }
    let row =
        |line: &Value| vec![cell(line, "/position"), beijing(line, "/at"), cell(line, "/event"), cell(line, "/actor")];
    let history = items(&answer["history"]).iter().map(row).collect();
    output.table(&["position", "when (Beijing)", "what", "who"], history, "");
}

/// Mails.
pub(super) fn mails(output: &Output, list: &Value) {
    let row = |mail: &Value| {
        let at = |field: &str| cell(mail, field);
        let next = beijing(mail, "/retry_at");
        vec![at("/id"), at("/kind"), at("/county"), at("/period"), at("/subject"), at("/counts"), at("/attempts"), next]
    };
    let headers = ["id", "kind", "county", "period", "subject", "recipients", "attempts", "next attempt (Beijing)"];
    output.table(&headers, items(list).iter().map(row).collect(), "no mail");
}
