//! A large plan in several events: the first carries the settings and as many entries as fit, the others the rest.

use serde::{Deserialize, Serialize};

use crate::parts::places;
use crate::plan::{County, Plan, Section, Task};

/// Weight of an entry apart from its texts: keys, codes and marks.
const WEIGHT_OF_ENTRY: usize = 300;

/// Entries of a plan, each list in the plan's order.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Counties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub county: Vec<County>,
    /// Sections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub section: Vec<Section>,
    /// Tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task: Vec<Task>,
}

/// Divides a plan into what its first event carries and the entries of those that follow; a plan that fits one event
/// stays whole.
pub fn divide(mut plan: Plan) -> (Plan, Vec<Entries>) {
    let (counties, sections, tasks) =
        (std::mem::take(&mut plan.county), std::mem::take(&mut plan.section), std::mem::take(&mut plan.task));
    let weights = counties.iter().map(weight_of_county);
    let weights = weights.chain(sections.iter().map(weight_of_section)).chain(tasks.iter().map(weight_of_task));
    let places: Vec<usize> = places(weights).collect();
    let mut parts = vec![Entries::default(); places.last().map_or(1, |last| last + 1)];
    let mut places = places.into_iter();
    counties.into_iter().zip(&mut places).for_each(|(county, part)| parts[part].county.push(county));
    sections.into_iter().zip(&mut places).for_each(|(section, part)| parts[part].section.push(section));
    tasks.into_iter().zip(&mut places).for_each(|(task, part)| parts[part].task.push(task));
    let rest = parts.split_off(1);
    for first in parts {
        add(&mut plan, first);
    }
    (plan, rest)
}

/// Adds entries to a plan, after those it has.
pub fn add(plan: &mut Plan, entries: Entries) {
    plan.county.extend(entries.county);
    plan.section.extend(entries.section);
    plan.task.extend(entries.task);
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn weight_of_county(county: &County) -> usize {
    let emails: usize = county.emails.iter().map(|email| email.len() + 3).sum();
    WEIGHT_OF_ENTRY + county.name.len() + emails + length(county.code.as_ref()) + length(county.note.as_ref())
}

fn weight_of_section(section: &Section) -> usize {
    WEIGHT_OF_ENTRY + section.name.len() + section.water.len() + length(section.note.as_ref())
}

fn weight_of_task(task: &Task) -> usize {
    let bodies = task.lead.iter().chain(&task.cooperating).chain(&task.implementing).map(|body| body.len() + 3);
    let texts = [task.measure.as_ref(), task.target.as_ref(), task.clause.as_ref()].map(length);
    WEIGHT_OF_ENTRY + task.id.len() + task.title.len() + bodies.sum::<usize>() + texts.iter().sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan of so many sections, each with a note of so many bytes.
    fn plan(sections: usize, note: usize) -> Plan {
        let mut plan: Plan = serde_json::from_str(
            r#"{"plan":{"id":"p","municipality":"市","year":2020,"time_zone":"Asia/Shanghai"},
                "county":[{"id":"c","name":"县","kind":"county"}],
                "section":[{"id":"s","name":"断面","water":"河","kind":"river","county":"c","level":"municipal",
                            "target":"III"}],
                "task":[{"id":"t","title":"任务"}]}"#,
        )
        .expect("a sound plan");
        let one = plan.section.remove(0);
        plan.section = (0..sections)
            .map(|number| Section {
                id: format!("s{number}").parse().expect("an id"),
                note: Some("\"".repeat(note)),
                ..one.clone()
            })
            .collect();
        plan
    }

    #[test]
    fn a_plan_that_fits_one_event_stays_whole() {
        assert_eq!(divide(plan(100, 10)), (plan(100, 10), vec![]));
    }

    #[test]
    fn a_divided_plan_is_put_together_as_it_was_and_no_part_is_too_large() {
        for (sections, note) in [(5_000, 0), (1_000, 2_000), (3, 200_000)] {
            let whole = plan(sections, note);
            let (mut first, rest) = divide(whole.clone());
            assert!(!rest.is_empty());
            for part in &rest {
                assert!(serde_json::to_string(part).expect("JSON").len() < 1 << 20);
            }
            for part in rest {
                add(&mut first, part);
            }
            assert!(first == whole, "{sections} sections with notes of {note}");
        }
    }
}
