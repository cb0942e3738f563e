//! Writes a book as the files of a scenario: plan and acts in TOML, readings in CSV.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::book::{Book, Deed, Row};
use crate::limits::CLASSES;

/// Writes everything into `folder` and returns the scenario's path.
pub(crate) fn write(book: &Book, folder: &Path) -> PathBuf {
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a temporary folder");
    put("plan.toml", &plan(book));
    let mut text = "plan = \"plan.toml\"\n".to_owned();
    for (number, act) in (1..).zip(&book.acts) {
        let at = act.at.strftime("%Y-%m-%dT%H:%M:%S+08:00");
        let _ = write!(text, "\n[[act]]\nat = \"{at}\"\n");
        let lines = match &act.deed {
            Deed::Import { rows } => {
                put(&format!("{number}.csv"), &csv(rows));
                format!("do = \"import\"\nfile = \"{number}.csv\"\n")
            }
            Deed::Revise { rows } => {
                put(&format!("{number}.csv"), &csv(rows));
                format!("do = \"revise\"\nfile = \"{number}.csv\"\nreason = \"checked again\"\n")
            }
            Deed::Declare { section, round, reason } => format!(
                "do = \"declare\"\nsection = \"{section}\"\ncadence = \"{}\"\nperiod = \"{round}\"\nreason = \"{reason}\"\n",
                round.cadence()
            ),
            Deed::Publish { round, rest } => {
                let rest = rest.map_or(String::new(), |rest| format!("declare_rest = \"{rest}\"\n"));
                format!("do = \"publish\"\ncadence = \"{}\"\nperiod = \"{round}\"\n{rest}", round.cadence())
            }
            Deed::Hold { county } => format!("do = \"hold_interview\"\ncounty = \"{county}\"\n"),
            Deed::Determine { county, year, serious } => format!(
                "do = \"determine_impact\"\ncounty = \"{county}\"\nyear = {year}\nserious = {serious}\nbasis = \"minutes\"\n"
            ),
            Deed::Pay { county, fen, year } => {
                let year = year.map_or(String::new(), |year| format!("year = {year}\n"));
                format!("do = \"pay\"\ncounty = \"{county}\"\nfen = {fen}\n{year}")
            }
            Deed::Settle { year, payable } => {
                format!("do = \"settle\"\nyear = {year}\nprovincial_payable_fen = {payable}\n")
            }
        };
        text.push_str(&lines);
    }
    put("scenario.toml", &text);
    folder.join("scenario.toml")
}

fn csv(rows: &[Row]) -> String {
    let mut text = "section,time,source,indicator,value,status\n".to_owned();
    for Row { section, time_text, source, indicator, figure, status, .. } in rows {
        let value = figure.as_ref().map_or("", |figure| &figure.text);
        let _ = writeln!(text, "{section},{time_text},{source},{indicator},{value},{status}");
    }
    text
}

fn plan(book: &Book) -> String {
    let rules = &book.rules;
    let either = |first: bool, yes: &'static str, no: &'static str| if first { yes } else { no };
    let bands: Vec<String> = rules
        .bands
        .iter()
        .map(|(most, fen)| match most {
            Some(most) => format!("{{ sections_max = {most}, fen = {fen} }}"),
            None => format!("{{ fen = {fen} }}"),
        })
        .collect();
    let mut text = format!(
        "[plan]\nid = \"simulated\"\nmunicipality = \"市\"\nyear = {}\ntime_zone = \"Asia/Shanghai\"\n\n[rules]\ncomparison = \"{}\"\n\
         required_indicators = {:?}\nautomatic_days_min = {}\nmanual_precedence = {:?}\ngap = \"{}\"\n\
         year_boundary = \"{}\"\nafter_interview = \"{}\"\nconsecutive_unmet = {}\ninterviews_per_year = {}\n\
         impact = \"{}\"\nband_basis = \"{}\"\nbands = [{}]\nmunicipal_share = \"{}.{:02}\"\nreward = \"{}\"\n\
         annual_months_min = {}\n",
        book.year,
        either(rules.rounded, "rounded", "raw"),
        rules.required,
        rules.automatic_days_min,
        rules.manual_precedence,
        either(rules.gap_breaks, "break", "bridge"),
        either(rules.year_restarts, "restart", "continue"),
        either(rules.continues_after_interview, "continue", "restart"),
        rules.consecutive_unmet,
        rules.interviews_per_year,
        either(rules.always_issued, "always", "determination"),
        either(rules.band_by_unmet, "unmet", "assigned"),
        bands.join(", "),
        rules.municipal_percent / 100,
        rules.municipal_percent % 100,
        either(rules.reward_by_sections, "by_sections", "equal"),
        rules.annual_months_min,
    );
    for county in &book.counties {
        let _ = write!(
            text,
            "\n[[county]]\nid = \"{county}\"\nname = \"{county}县\"\nkind = \"county\"\nemails = [\"{county}@county.example\"]\n"
        );
    }
    for section in &book.sections {
        let month = |month: i32| crate::book::Round::Month(month).to_string();
        let _ = write!(
            text,
            "\n[[section]]\nid = \"{}\"\nname = \"{0}断面\"\nwater = \"河\"\nkind = \"{}\"\ncounty = \"{}\"\n\
             level = \"municipal\"\ntarget = \"{}\"\n",
            section.id, section.kind, section.county, CLASSES[section.target],
        );
        if let Some(body) = section.body {
            let _ = writeln!(text, "body = \"{body}\"");
        }
        if let Some(from) = section.from {
            let _ = writeln!(text, "from = \"{}\"", month(from));
        }
        if let Some(until) = section.until {
            let _ = writeln!(text, "until = \"{}\"", month(until));
        }
    }
    text
}
