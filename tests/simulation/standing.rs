//! What stands at a moment: warnings and interviews, walked anew from the published verdicts and the holds (R4, R5).

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Round;
use crate::judge::{Verdict, improves};
use crate::naive::{Naive, Slip};

/// One qualification of a section: the unmet period compared with, if any, and the newest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ground {
    pub(crate) section: String,
    pub(crate) periods: Vec<Round>,
}

/// An interview that the rounds raise.
#[derive(Debug, Clone)]
pub(crate) struct Interview {
    pub(crate) county: String,
    pub(crate) raised_by: Round,
    pub(crate) grounds: Vec<Ground>,
    /// The number of the hold that discharged it.
    pub(crate) held: Option<usize>,
}

/// Warnings and interviews that stand.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The unmet sections of every round and county with one.
    pub(crate) warned: BTreeMap<(Round, String), Vec<String>>,
    pub(crate) interviews: Vec<Interview>,
    /// Holds that discharged nothing.
    pub(crate) lost: BTreeSet<usize>,
}

impl Standing {
    /// The round that raised the county's open interview.
    pub(crate) fn open(&self, county: &str) -> Option<Round> {
        let open = self.interviews.iter().find(|one| one.county == county && one.held.is_none());
        open.map(|one| one.raised_by)
    }

    /// Walks publications and holds in the order of the acts.
    pub(crate) fn of(naive: &Naive<'_>) -> Self {
        let mut standing = Self::default();
        let mut qualified = BTreeSet::new();
        let last = naive.book.acts.len();
        for act in 1..=last {
            if let Some((_, round)) = naive.published.iter().find(|(at, _)| *at == act) {
                standing.publish(naive, act, *round, &mut qualified);
            }
            for (index, hold) in naive.holds.iter().enumerate().filter(|(_, hold)| hold.act == act) {
                let open = standing.interviews.iter_mut().find(|one| one.county == hold.county && one.held.is_none());
                match open {
                    Some(interview) => interview.held = Some(index),
                    None => drop(standing.lost.insert(index)),
                }
            }
        }
        standing
    }

    fn publish(&mut self, naive: &Naive<'_>, act: usize, round: Round, qualified: &mut BTreeSet<(String, Round)>) {
        let known: BTreeSet<Round> =
            naive.published.iter().filter(|(at, _)| *at <= act).map(|(_, round)| *round).collect();
        for section in &naive.book.sections {
            if naive.verdicts[&round].get(&section.id).is_some_and(Verdict::is_unmet) {
                self.warned.entry((round, section.county.clone())).or_default().push(section.id.clone());
            }
            for ground in walk(naive, &section.id, round, &known, qualified) {
                let open = self.interviews.iter_mut().find(|one| one.county == section.county && one.held.is_none());
                match open {
                    Some(interview) => interview.grounds.push(ground),
                    None => self.interviews.push(Interview {
                        county: section.county.clone(),
                        raised_by: round,
                        grounds: vec![ground],
                        held: None,
                    }),
                }
            }
        }
    }
}

/// Walks a section's published periods of the round's cadence and returns the new qualifications.
fn walk(
    naive: &Naive<'_>,
    section: &str,
    round: Round,
    known: &BTreeSet<Round>,
    qualified: &mut BTreeSet<(String, Round)>,
) -> Vec<Ground> {
    let (rules, slip) = (&naive.book.rules, naive.slip);
    let threshold = rules.consecutive_unmet + u32::from(slip == Slip::StreakOneMore);
    let mut grounds = Vec::new();
    let (mut streak, mut unmet_before, mut year) = (0, None::<(Round, &Verdict)>, None);
    for period in known.iter().filter(|one| one.cadence() == round.cadence()) {
        let Some(verdict) = naive.verdicts[period].get(section) else { continue };
        if year != Some(period.year()) && rules.year_restarts && slip != Slip::YearBoundaryForgotten {
            streak = 0;
        }
        year = Some(period.year());
        if verdict.is_met() {
            streak = 0;
        } else if verdict.is_unmet() {
            streak += 1;
            let mark = (section.to_owned(), *period);
            if !qualified.contains(&mark) && streak >= threshold {
                let better = unmet_before.is_some_and(|(_, before)| improves(verdict, before, slip));
                if !better {
                    let periods = unmet_before.iter().map(|(before, _)| *before).chain([*period]).collect();
                    grounds.push(Ground { section: section.to_owned(), periods });
                    qualified.insert(mark.clone());
                }
            }
            if qualified.contains(&mark) && !rules.continues_after_interview && slip != Slip::StreakRunsOn {
                streak = 0;
            }
            unmet_before = Some((*period, verdict));
        } else if rules.gap_breaks && slip != Slip::GapForgotten {
            streak = 0;
        }
    }
    grounds
}
