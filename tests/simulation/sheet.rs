//! The naive model's end state in the form of the contract.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::judge::Verdict;
use crate::limits::{CLASSES, exact, limit_text};
use crate::money;
use crate::naive::{Naive, Slip};
use crate::standing::Ground;
use crate::values::{fixed, in_full, rounded};

/// Every key that the model derives.
pub(crate) fn end_state(naive: &Naive<'_>) -> Value {
    let refusals: Vec<Value> = naive.refusals.iter().map(|(act, code)| json!({ "act": act, "code": code })).collect();
    json!({
        "verdicts": verdicts(naive),
        "warnings": warnings(naive),
        "interviews": interviews(naive),
        "proposals": proposals(naive),
        "charges": charges(naive),
        "settlement": settlement(naive),
        "refusals": refusals,
    })
}

fn verdicts(naive: &Naive<'_>) -> Vec<Value> {
    let mut lines = Vec::new();
    for (round, verdicts) in &naive.verdicts {
        for (id, verdict) in verdicts {
            let section = naive.book.section(id).expect("a section of the plan");
            let unmet = |verdict: &Verdict| -> Vec<Value> {
                let line = |over: &crate::judge::Over| {
                    let limit = limit_text(over.code, section.is_lake_water(), section.target);
                    let multiple = (over.code != "ph" && over.code != "do").then(|| {
                        let limit = exact(limit);
                        fixed(&rounded(&((&over.value - &limit) / &limit), 2, naive.slip), 2)
                    });
                    json!({ "indicator": over.code, "value": in_full(&over.value), "limit": limit, "multiple": multiple })
                };
                verdict.over.iter().map(line).collect()
            };
            let word = match (verdict.class, verdict.is_unmet()) {
                (None, _) => "unassessed",
                (Some(_), true) => "unmet",
                (Some(_), false) => "met",
            };
            lines.push(json!({
                "cadence": round.cadence(), "period": round.to_string(), "section": id, "verdict": word,
                "class": verdict.class.map(|class| CLASSES[class]), "target": CLASSES[section.target],
                "evaluated": verdict.evaluated, "unmet": unmet(verdict), "undecidable": verdict.undecidable,
                "reason": verdict.reason,
            }));
        }
    }
    lines
}

fn warnings(naive: &Naive<'_>) -> Vec<Value> {
    let none = Vec::new();
    let line = |(round, county): &(crate::book::Round, String)| {
        let mut sections = naive.standing.warned.get(&(*round, county.clone())).unwrap_or(&none).clone();
        sections.sort();
        json!({
            "cadence": round.cadence(), "period": round.to_string(), "county": county, "sections": sections,
            "status": if sections.is_empty() { "withdrawn" } else { "standing" },
        })
    };
    naive.ever_warned.iter().map(line).collect()
}

fn interviews(naive: &Naive<'_>) -> Vec<Value> {
    let standing = &naive.standing;
    let mut lines = BTreeMap::new();
    let mut here = BTreeSet::new();
    for one in &standing.interviews {
        let (status, day) = match one.held {
            Some(index) => ("held", Some(naive.holds[index].day.to_string())),
            None => ("required", None),
        };
        let mut grounds = one.grounds.clone();
        grounds.sort();
        here.insert((one.county.clone(), one.raised_by));
        lines.insert(
            (one.county.clone(), one.raised_by, day.clone()),
            interview(&one.county, one.raised_by, status, day.as_deref(), false, &grounds),
        );
    }
    for index in &standing.lost {
        let hold = &naive.holds[*index];
        let day = Some(hold.day.to_string());
        let key = (hold.county.clone(), hold.under, day.clone());
        let line = interview(&hold.county, hold.under, "held", day.as_deref(), true, &[]);
        lines.insert(key, line);
    }
    for (county, round) in &naive.ever_raised {
        let key = (county.clone(), *round);
        let original = naive.holds.iter().any(|hold| hold.county == *county && hold.under == *round);
        let gone = !here.contains(&key) && !original && !naive.ever_held_under.contains(&key);
        if gone && naive.slip != Slip::CancelledForgotten {
            let key = (county.clone(), *round, None);
            lines.insert(key, interview(county, *round, "cancelled", None, false, &[]));
        }
    }
    lines.into_values().collect()
}

fn interview(
    county: &str,
    round: crate::book::Round,
    status: &str,
    day: Option<&str>,
    lost: bool,
    grounds: &[Ground],
) -> Value {
    let ground = |ground: &Ground| {
        let periods: Vec<String> = ground.periods.iter().map(ToString::to_string).collect();
        let cadence = ground.periods.last().expect("the newest period").cadence();
        json!({ "section": ground.section, "cadence": cadence, "periods": periods })
    };
    json!({
        "county": county, "cadence": round.cadence(), "period": round.to_string(), "status": status,
        "held_on": day, "grounds_lost": lost, "grounds": grounds.iter().map(ground).collect::<Vec<_>>(),
    })
}

fn proposals(naive: &Naive<'_>) -> Vec<Value> {
    let least = naive.book.rules.interviews_per_year;
    let line = |(county, year): &(String, i32)| {
        let counted = naive.counted(county, *year);
        let (status, holds, lost) = match naive.decisions.get(&(county.clone(), *year)) {
            Some(decision) => {
                let holds: Vec<usize> = decision.holds.iter().copied().filter(|hold| counted.contains(hold)).collect();
                let lost = decision.issued && holds.len() < least;
                (if decision.issued { "issued" } else { "shelved" }, holds, lost)
            }
            None if counted.len() >= least => ("drafted", counted, false),
            None => ("withdrawn", counted, false),
        };
        let days: Vec<String> = holds.iter().map(|hold| naive.holds[*hold].day.to_string()).collect();
        json!({ "county": county, "year": year, "held_on": days, "status": status, "grounds_lost": lost })
    };
    naive.ever_drafted.iter().map(line).collect()
}

fn charges(naive: &Naive<'_>) -> Vec<Value> {
    let line = |charge: money::Charge| {
        let mut sections = charge.sections;
        sections.sort();
        json!({
            "county": charge.county, "period": charge.round.to_string(), "sections": sections, "fen": charge.fen,
        })
    };
    money::charges(naive).into_iter().map(line).collect()
}

fn settlement(naive: &Naive<'_>) -> Value {
    let Some(made) = money::settlement(naive) else { return Value::Null };
    let rewards: Vec<Value> =
        made.rewards.iter().map(|(county, fen)| json!({ "county": county, "fen": fen })).collect();
    json!({
        "year": made.year, "collected_fen": made.collected, "provincial_fen": made.provincial,
        "shortfall_fen": made.shortfall, "municipal_fen": made.municipal, "rewards": rewards,
    })
}
