//! The naive model: plays the acts on plain tables and recomputes everything that stands after each of them. It knows
//! no events; it remembers only what the contract says about what was ever raised.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::book::{Book, Deed, Round, Row, month_of};
use crate::judge::{self, Verdict};
use crate::standing::Standing;
use crate::values::{Cell, Place, View};

/// A mistake made on purpose, to see that the comparison notices it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    None,
    StreakOneMore,
    GapForgotten,
    YearBoundaryForgotten,
    StreakRunsOn,
    EqualCountsAsBetter,
    BandOffByOne,
    HalfUp,
    DetectionLimitForgotten,
    RemainderKept,
    CorrectionForgotten,
    CancelledForgotten,
}

impl Slip {
    /// All of them.
    pub(crate) const MISTAKES: [Self; 11] = [
        Self::StreakOneMore,
        Self::GapForgotten,
        Self::YearBoundaryForgotten,
        Self::StreakRunsOn,
        Self::EqualCountsAsBetter,
        Self::BandOffByOne,
        Self::HalfUp,
        Self::DetectionLimitForgotten,
        Self::RemainderKept,
        Self::CorrectionForgotten,
        Self::CancelledForgotten,
    ];
}

/// An interview that was held.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) act: usize,
    pub(crate) county: String,
    pub(crate) day: Date,
    /// The round under which it was open when it was held.
    pub(crate) under: Round,
}

/// A proposal that was decided, on the holds with these numbers.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) issued: bool,
    pub(crate) holds: Vec<usize>,
}

/// Everything on the tables.
pub(crate) struct Naive<'a> {
    pub(crate) book: &'a Book,
    pub(crate) slip: Slip,
    pub(crate) cells: BTreeMap<Place, Cell>,
    pub(crate) declared: BTreeMap<(String, Round), (usize, &'static str)>,
    /// Published rounds with their acts, in the order they were published.
    pub(crate) published: Vec<(usize, Round)>,
    pub(crate) verdicts: BTreeMap<Round, BTreeMap<String, Verdict>>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) decisions: BTreeMap<(String, i32), Decision>,
    pub(crate) ever_warned: BTreeSet<(Round, String)>,
    pub(crate) ever_raised: BTreeSet<(String, Round)>,
    pub(crate) ever_held_under: BTreeSet<(String, Round)>,
    pub(crate) ever_drafted: BTreeSet<(String, i32)>,
    pub(crate) paid: Vec<(i32, i64)>,
    pub(crate) settle: Option<(i32, i64)>,
    pub(crate) refusals: Vec<(usize, &'static str)>,
    pub(crate) standing: Standing,
}

impl<'a> Naive<'a> {
    /// Plays a whole book.
    pub(crate) fn play(book: &'a Book, slip: Slip) -> Self {
        let mut naive = Self {
            book,
            slip,
            cells: BTreeMap::new(),
            declared: BTreeMap::new(),
            published: vec![],
            verdicts: BTreeMap::new(),
            holds: vec![],
            decisions: BTreeMap::new(),
            ever_warned: BTreeSet::new(),
            ever_raised: BTreeSet::new(),
            ever_held_under: BTreeSet::new(),
            ever_drafted: BTreeSet::new(),
            paid: vec![],
            settle: None,
            refusals: vec![],
            standing: Standing::default(),
        };
        for (number, act) in (1..).zip(&book.acts) {
            match naive.act(number, act.at.date(), &act.deed) {
                Ok(()) => naive.look(),
                Err(code) => naive.refusals.push((number, code)),
            }
        }
        naive
    }

    /// What was known to a round published at `before`; `usize::MAX` for all.
    pub(crate) fn view(&self, before: usize) -> View<'_> {
        View { book: self.book, cells: &self.cells, declared: &self.declared, before }
    }

    fn act(&mut self, number: usize, day: Date, deed: &Deed) -> Result<(), &'static str> {
        match deed {
            Deed::Import { rows } => self.import(number, rows),
            Deed::Revise { rows } => self.revise(rows),
            Deed::Declare { section, round, reason } => {
                self.book.section(section).ok_or("unknown_section")?;
                if self.is_published(*round) {
                    return Err("round_already_published");
                }
                self.declared.insert((section.clone(), *round), (number, reason));
            }
            Deed::Publish { round, rest } => self.publish(number, *round, *rest)?,
            Deed::Hold { county } => {
                self.known(county)?;
                let under = self.standing.open(county).ok_or("no_open_interview")?;
                self.holds.push(Hold { act: number, county: county.clone(), day, under });
            }
            Deed::Determine { county, year, serious } => {
                self.known(county)?;
                let key = (county.clone(), *year);
                let holds = self.counted(county, *year);
                if self.decisions.contains_key(&key) || holds.len() < self.book.rules.interviews_per_year {
                    return Err("no_drafted_proposal");
                }
                self.decisions.insert(key, Decision { issued: *serious, holds });
            }
            Deed::Pay { county, fen, year } => {
                self.known(county)?;
                self.paid.push((year.unwrap_or(self.book.year), *fen));
            }
            Deed::Settle { year, payable } => self.settle = Some((*year, *payable)),
        }
        Ok(())
    }

    fn known(&self, county: &str) -> Result<(), &'static str> {
        if self.book.counties.iter().any(|one| one == county) { Ok(()) } else { Err("unknown_county") }
    }

    fn is_published(&self, round: Round) -> bool {
        self.published.iter().any(|(_, one)| *one == round)
    }

    fn place(&self, row: &Row) -> Option<Place> {
        self.book.section(&row.section)?;
        Some((row.section.clone(), month_of(row.time.date()), row.indicator, row.time, row.source))
    }

    fn import(&mut self, number: usize, rows: &[Row]) {
        for row in rows {
            let Some(place) = self.place(row) else { continue };
            let Some(figure) = row.figure.clone() else { continue };
            if !self.is_published(Round::Month(place.1)) {
                self.cells.entry(place).or_insert(Cell { figure, status: row.status, imported: Some(number) });
            }
        }
    }

    fn revise(&mut self, rows: &[Row]) {
        if self.slip == Slip::CorrectionForgotten {
            return;
        }
        for row in rows {
            let Some(place) = self.place(row) else { continue };
            match row.figure.clone() {
                Some(figure) => drop(self.cells.insert(place, Cell { figure, status: row.status, imported: None })),
                None => drop(self.cells.remove(&place)),
            }
        }
        self.verdicts.clear();
    }

    fn publish(&mut self, number: usize, round: Round, rest: Option<&'static str>) -> Result<(), &'static str> {
        if self.is_published(round) {
            return Err("round_already_published");
        }
        let view = self.view(number);
        let active = self.book.sections.iter().filter(|section| section.active(round));
        let lacking: Vec<String> = active
            .filter(|section| judge::verdict(&view, section, round, self.slip).reason == Some("insufficient_data"))
            .map(|section| section.id.clone())
            .collect();
        match rest {
            None if !lacking.is_empty() => return Err("round_incomplete"),
            None => {}
            Some(reason) => {
                for section in lacking {
                    self.declared.insert((section, round), (number, reason));
                }
            }
        }
        self.published.push((number, round));
        Ok(())
    }

    /// Recomputes what stands, and notes what was raised at any time.
    fn look(&mut self) {
        for (act, round) in self.published.clone() {
            if !self.verdicts.contains_key(&round) {
                let view = self.view(act);
                let active = self.book.sections.iter().filter(|section| section.active(round));
                let made = active
                    .map(|section| (section.id.clone(), judge::verdict(&view, section, round, self.slip)))
                    .collect();
                self.verdicts.insert(round, made);
            }
        }
        self.standing = Standing::of(self);
        self.ever_warned.extend(self.standing.warned.keys().cloned());
        for interview in &self.standing.interviews {
            let key = (interview.county.clone(), interview.raised_by);
            if interview.held.is_some() {
                self.ever_held_under.insert(key.clone());
            }
            self.ever_raised.insert(key);
        }
        let rules = &self.book.rules;
        let years: BTreeSet<i32> = self.holds.iter().map(|hold| i32::from(hold.day.year())).collect();
        for county in &self.book.counties {
            for year in &years {
                let key = (county.clone(), *year);
                let holds = self.counted(county, *year);
                if holds.len() >= rules.interviews_per_year && !self.decisions.contains_key(&key) {
                    self.ever_drafted.insert(key.clone());
                    if rules.always_issued {
                        self.decisions.insert(key, Decision { issued: true, holds });
                    }
                }
            }
        }
    }

    /// The holds of a county and year that have grounds, in time order.
    pub(crate) fn counted(&self, county: &str, year: i32) -> Vec<usize> {
        let of_year = |index: &usize| {
            let hold = &self.holds[*index];
            hold.county == county && i32::from(hold.day.year()) == year && !self.standing.lost.contains(index)
        };
        (0..self.holds.len()).filter(of_year).collect()
    }
}
