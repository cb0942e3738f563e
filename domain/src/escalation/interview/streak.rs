//! Streaks (连续未达标), R5: per section and cadence, over the assessed periods of published rounds in time order.

use std::collections::{BTreeMap, BTreeSet};

use super::Ground;
use crate::assessment::Verdict;
use crate::county::{County, JudgedRound, Moment};
use crate::ids::SectionId;
use crate::period::{Cadence, Period};
use crate::plan::rules::{AfterInterview, Gap, YearBoundary};
use crate::trend::is_improving;
use crate::verdict::SectionVerdict;

/// A section's run of unmet periods of one cadence, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    /// The section.
    pub section: SectionId,
    /// The cadence.
    pub cadence: Cadence,
    /// The unmet periods that count, in time order.
    pub periods: Vec<Period>,
    /// Unmet periods in a row that qualify, by the settings of the newest round.
    pub needed: u32,
}

/// Every section's streak of each cadence it was judged in, in order of section.
pub fn streaks(county: &County) -> Vec<Streak> {
    let streak = |((section, cadence), history): ((SectionId, Cadence), History<'_>)| {
        let needed = history.periods.values().next_back()?.0.rules.consecutive_unmet;
        Some(Streak { section, cadence, periods: history.walk().1, needed })
    };
    demanded(county).histories.into_iter().filter_map(streak).collect()
}

/// The interviews that the record demands: grounds by the round that raised them, and what each meeting answers for.
pub(super) struct Demanded<'a> {
    pub(super) grounds: BTreeMap<Period, Vec<Ground>>,
    pub(super) answers: Vec<Option<Period>>,
    histories: BTreeMap<(SectionId, Cadence), History<'a>>,
}

/// Goes through publications and meetings in the order they happened.
pub(super) fn demanded(county: &County) -> Demanded<'_> {
    let mut demanded = Demanded { grounds: BTreeMap::new(), answers: Vec::new(), histories: BTreeMap::new() };
    let mut open: Option<Period> = None;
    for moment in &county.timeline {
        match moment {
            Moment::Meeting(_) => demanded.answers.push(open.take()),
            Moment::Round(place) => {
                let round = &county.rounds[*place];
                let mut grounds = Vec::new();
                for (section, verdict) in &round.verdicts {
                    let key = (section.clone(), round.period.cadence());
                    grounds.extend(demanded.histories.entry(key).or_default().publish(round, verdict));
                }
                if !grounds.is_empty() {
                    let raised_by = *open.get_or_insert(round.period);
                    demanded.grounds.entry(raised_by).or_default().extend(grounds);
                }
            }
        }
    }
    for grounds in demanded.grounds.values_mut() {
        grounds.sort();
    }
    demanded
}

/// One section's published verdicts of one cadence, in time order, and the periods in which it has qualified.
#[derive(Default)]
struct History<'a> {
    periods: BTreeMap<Period, (&'a JudgedRound, &'a SectionVerdict)>,
    qualified: BTreeSet<Period>,
}

impl<'a> History<'a> {
    /// Adds a published verdict and returns the grounds that are new. A round published late may complete a streak
    /// that ends in a later period; a period that has qualified ends its streak for good.
    fn publish(&mut self, round: &'a JudgedRound, verdict: &'a SectionVerdict) -> Vec<Ground> {
        self.periods.insert(round.period, (round, verdict));
        let (grounds, _) = self.walk();
        self.qualified.extend(grounds.iter().filter_map(|ground| ground.periods.last()));
        grounds
    }

    /// The grounds that are new, and the unmet periods of the streak at the end.
    fn walk(&self) -> (Vec<Ground>, Vec<Period>) {
        let (mut grounds, mut streak) = (Vec::new(), Vec::new());
        let mut before: Option<(Period, &SectionVerdict)> = None;
        let mut year = None;
        for (period, (round, verdict)) in &self.periods {
            let rules = &round.rules;
            if rules.year_boundary == YearBoundary::Restart && year.is_some_and(|year| year != period.year()) {
                streak.clear();
            }
            year = Some(period.year());
            match verdict.verdict {
                Verdict::Met => streak.clear(),
                Verdict::Unassessed(_) if rules.gap == Gap::Break => streak.clear(),
                Verdict::Unassessed(_) => {}
                Verdict::Unmet => {
                    streak.push(*period);
                    let improving = before.is_some_and(|(_, before)| is_improving(before, verdict));
                    let already = self.qualified.contains(period);
                    if already || (streak.len() >= rules.consecutive_unmet as usize && !improving) {
                        if !already {
                            let periods = before.map(|(before, _)| before).into_iter().chain([*period]).collect();
                            let (section, cadence) = (verdict.section.clone(), period.cadence());
                            grounds.push(Ground { cadence, periods, section });
                        }
                        if rules.after_interview == AfterInterview::Restart {
                            streak.clear();
                        }
                    }
                    before = Some((*period, verdict));
                }
            }
        }
        (grounds, streak)
    }
}
