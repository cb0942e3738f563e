//! The readings of one section in one month: what is taken, what is a duplicate, what takes a revision (R2, R8).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::reading::{Amount, Reading, ReadingKey, Status};

/// Events of a section-month's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadingsEvent {
    /// Readings of an import.
    ReadingsRecorded {
        /// In the order of the file.
        readings: Vec<Reading>,
    },
    /// Readings replaced, added or taken away (R8).
    ReadingsRevised {
        /// What changed.
        changes: Vec<ReadingChange>,
        /// Why.
        reason: String,
        /// Where the evidence is, if given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<String>,
    },
}

/// One revised reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingChange {
    /// Which reading.
    #[serde(flatten)]
    pub key: ReadingKey,
    /// What stood before; absent for an added reading.
    pub before: Option<Content>,
    /// What stands now; absent for a reading taken away.
    pub after: Option<Content>,
}

/// Value and status of a reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What was measured, as written.
    pub value: Amount,
    /// Whether it may be used.
    #[serde(default, skip_serializing_if = "Status::is_normal")]
    pub status: Status,
}

/// A row offered to a section-month; without a value it says that the value is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Which reading.
    pub key: ReadingKey,
    /// Its value; `None` when missing.
    pub value: Option<Amount>,
    /// Whether it may be used.
    pub status: Status,
    /// Shown by its publisher again after its day: with the same value it is a duplicate, whatever its status.
    pub repeatable: bool,
}

/// What became of an offered row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It was taken.
    Accepted,
    /// The same value stands already, or there is nothing to record or take away.
    Duplicate,
    /// It carries no value; an import has nothing to record.
    Missing,
    /// Another value or status stands under its key; that takes a revision.
    Conflict {
        /// What stands.
        standing: Content,
    },
}

/// All readings of a section in a month.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MonthReadings {
    /// In order of key, each once. A list and no tree: a large plan has very many months, of a few readings each.
    readings: Vec<(ReadingKey, Standing)>,
    /// Events taken in.
    events: u32,
}

/// A reading with the import that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    content: Content,
    /// Number of the import's event in the stream, from 1; none for a revised reading, which counts as if it had stood
    /// from the first.
    imported_by: Option<NonZeroU32>,
}

impl MonthReadings {
    /// The state after an event.
    #[must_use]
    pub fn evolve(mut self, event: &ReadingsEvent) -> Self {
        self.events += 1;
        match event {
            ReadingsEvent::ReadingsRecorded { readings } => {
                let imported_by = NonZeroU32::new(self.events);
                self.put(readings.iter().map(|reading| {
                    let content = Content { value: reading.value, status: reading.status.clone() };
                    (reading.key, Standing { content, imported_by })
                }));
            }
            ReadingsEvent::ReadingsRevised { changes, .. } => {
                let revised = |change: &ReadingChange| {
                    Some((change.key, Standing { content: change.after.clone()?, imported_by: None }))
                };
                self.put(changes.iter().filter_map(revised));
                let gone = changes.iter().filter(|change| change.after.is_none());
                let gone: BTreeSet<_> = gone.map(|change| change.key).collect();
                self.readings.retain(|(key, _)| !gone.contains(key));
            }
        }
        self
    }

    /// Puts readings in their places; of those with the same key the last one stands.
    fn put(&mut self, readings: impl Iterator<Item = (ReadingKey, Standing)>) {
        self.readings.extend(readings);
        self.readings.sort_by_key(|(key, _)| *key);
        self.readings.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        self.readings.shrink_to_fit();
    }

    /// All readings in order of time, source and indicator.
    pub fn to_vec(&self) -> Vec<Reading> {
        self.as_of(u64::MAX)
    }

    /// The readings that a round sees which was published when the stream had `version` events: those imported by then,
    /// and everything revised since. A later import is no correction of that round (contract: Corrections).
    pub fn as_of(&self, version: u64) -> Vec<Reading> {
        let stood = |standing: &Standing| standing.imported_by.is_none_or(|import| u64::from(import.get()) <= version);
        let reading = |(key, standing): &(ReadingKey, Standing)| Reading {
            key: *key,
            value: standing.content.value,
            status: standing.content.status.clone(),
        };
        self.readings.iter().filter(|(_, standing)| stood(standing)).map(reading).collect()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }

    fn standing(&self, key: &ReadingKey) -> Option<&Content> {
        let place = self.readings.binary_search_by_key(key, |(key, _)| *key).ok()?;
        Some(&self.readings[place].1.content)
    }

    /// Takes the rows of an import that are new; one outcome a row, and the readings to record.
    pub fn import(&self, rows: &[Offered]) -> (Vec<Taken>, Vec<Reading>) {
        let mut fresh: BTreeMap<ReadingKey, Content> = BTreeMap::new();
        let mut accepted = Vec::new();
        let mut take = |row: &Offered| {
            let Some(value) = row.value else { return Taken::Missing };
            let content = Content { value, status: row.status.clone() };
            match self.standing(&row.key).or_else(|| fresh.get(&row.key)) {
                Some(standing) if *standing == content => Taken::Duplicate,
                Some(standing) if row.repeatable && standing.value == content.value => Taken::Duplicate,
                Some(standing) => Taken::Conflict { standing: standing.clone() },
                None => {
                    accepted.push(Reading { key: row.key, value, status: row.status.clone() });
                    fresh.insert(row.key, content);
                    Taken::Accepted
                }
            }
        };
        let outcomes = rows.iter().map(&mut take).collect();
        (outcomes, accepted)
    }

    /// Takes the rows of a revision: each replaces, adds or (without a value) takes away its reading. A key that the
    /// file revises twice in different ways is a conflict.
    pub fn revise(&self, rows: &[Offered]) -> (Vec<Taken>, Vec<ReadingChange>) {
        let mut revised: BTreeMap<ReadingKey, Option<Content>> = BTreeMap::new();
        let mut changes = Vec::new();
        let mut take = |row: &Offered| {
            let after = row.value.map(|value| Content { value, status: row.status.clone() });
            match revised.get(&row.key) {
                Some(earlier) if *earlier == after => return Taken::Duplicate,
                Some(Some(earlier)) => return Taken::Conflict { standing: earlier.clone() },
                Some(None) | None => {}
            }
            let before = self.standing(&row.key).cloned();
            let taken_away_before = revised.contains_key(&row.key);
            if let (true, Some(standing)) = (taken_away_before, &before) {
                return Taken::Conflict { standing: standing.clone() };
            }
            revised.insert(row.key, after.clone());
            if before == after {
                return Taken::Duplicate;
            }
            changes.push(ReadingChange { key: row.key, before, after });
            Taken::Accepted
        };
        let outcomes = rows.iter().map(&mut take).collect();
        (outcomes, changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::Indicator;
    use crate::reading::Source;

    fn row(value: &str, status: &str) -> Offered {
        let at = jiff::civil::date(2020, 1, 5).at(0, 0, 0, 0);
        Offered {
            key: ReadingKey { at, source: Source::Municipal, indicator: Indicator::Nh3n },
            value: Amount::parse(value).expect(value),
            status: Status::from(status.to_owned()),
            repeatable: false,
        }
    }

    fn standing() -> MonthReadings {
        let (_, readings) = MonthReadings::default().import(&[row("0.50", "")]);
        MonthReadings::default().evolve(&ReadingsEvent::ReadingsRecorded { readings })
    }

    fn conflict() -> Taken {
        Taken::Conflict { standing: Content { value: "0.50".parse().expect("valid"), status: Status::Normal } }
    }

    #[test]
    fn an_identical_row_is_a_duplicate_and_another_value_or_status_a_conflict() {
        let (outcomes, accepted) =
            standing().import(&[row("0.5", "正常"), row("0.6", ""), row("0.5", "维护"), row("--", "")]);
        assert_eq!(outcomes, [Taken::Duplicate, conflict(), conflict(), Taken::Missing]);
        assert_eq!(accepted, []);
    }

    #[test]
    fn a_value_shown_again_on_a_later_day_is_a_duplicate_whatever_its_status() {
        let again = |value: &str| Offered { repeatable: true, ..row(value, "stale") };
        assert_eq!(standing().import(&[again("0.5"), again("0.6")]).0, [Taken::Duplicate, conflict()]);
    }

    #[test]
    fn rows_of_one_file_are_compared_with_each_other_too() {
        let (outcomes, accepted) = MonthReadings::default().import(&[row("0.50", ""), row("0.5", ""), row("0.7", "")]);
        assert_eq!(outcomes, [Taken::Accepted, Taken::Duplicate, conflict()]);
        assert_eq!(accepted.len(), 1);
    }

    #[test]
    fn a_revision_replaces_and_a_row_without_a_value_takes_away() {
        let revised = |value: &str| {
            let (outcomes, changes) = standing().revise(&[row(value, "")]);
            let event = ReadingsEvent::ReadingsRevised { changes, reason: "r".to_owned(), evidence: None };
            (outcomes, standing().evolve(&event).to_vec().iter().map(|r| r.value.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(revised("0.7"), (vec![Taken::Accepted], vec!["0.7".to_owned()]));
        assert_eq!(revised(""), (vec![Taken::Accepted], vec![]));
        assert_eq!(revised("0.5"), (vec![Taken::Duplicate], vec!["0.50".to_owned()]));
    }

    #[test]
    fn a_revision_that_contradicts_itself_is_a_conflict() {
        let (outcomes, changes) = standing().revise(&[row("0.7", ""), row("0.8", "")]);
        assert!(matches!(outcomes[..], [Taken::Accepted, Taken::Conflict { .. }]));
        assert_eq!(changes.len(), 1);
        let (outcomes, _) = standing().revise(&[row("", ""), row("0.8", "")]);
        assert!(matches!(outcomes[..], [Taken::Accepted, Taken::Conflict { .. }]));
    }
}
