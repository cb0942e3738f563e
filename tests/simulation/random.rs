//! Random scenarios from a seed: readings near the limits, so that streaks, ties, equal values and improvements occur.

use jiff::civil::{DateTime, date};
use jiff::{Span, ToSpan};

use crate::book::{Act, Book, Deed, Figure, Round, Row, Rules, Section};
use crate::limits::{codes, exact, limit_text};

/// The sequence `SplitMix64`: small, and the same on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("a small number")).expect("a small number")
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of a list.
    pub(crate) fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

const REASONS: [&str; 5] = ["dry", "frozen", "maintenance", "construction", "no_data"];
const START_YEAR: i32 = 2020;

/// The book of a seed.
pub(crate) fn book(seed: u64) -> Book {
    let mut dice = Dice::new(seed);
    let counties: Vec<String> = (0..=dice.below(3)).map(|number| format!("county-{number}")).collect();
    let months = i32::try_from(12 + dice.below(15)).expect("few months");
    let first = START_YEAR * 12;
    let mut sections = Vec::new();
    for number in 0..=dice.below(6) {
        let kind = dice.pick(&["river", "river", "lake", "drinking_water"]);
        let body = if dice.percent(20) { Some(dice.pick(&["river", "lake"])) } else { None };
        let target = dice.pick(&[1, 2, 2, 2, 3, 4]);
        let from = dice.percent(25).then(|| first + i32::try_from(dice.below(8)).expect("few months"));
        let until = dice.percent(15).then(|| first + i32::try_from(9 + dice.below(12)).expect("few months"));
        sections.push(Section {
            id: format!("section-{number}"),
            county: dice.pick(&counties),
            kind,
            body,
            target,
            from,
            until,
        });
    }
    let rules = rules(&mut dice);
    let calm = dice.percent(30);
    let mut play = Playwright {
        book: Book { year: START_YEAR, rules, counties, sections, acts: vec![] },
        dice,
        now: date(2020, 2, 1).at(8, 0, 0, 0),
        calm,
        written: vec![],
    };
    play.write(first, months);
    play.book
}

fn rules(dice: &mut Dice) -> Rules {
    let mut required = vec!["ph", "do", "codmn", "nh3n"];
    required.truncate(1 + dice.below(4));
    let mut manual_precedence = vec!["national", "provincial", "municipal"];
    let turn = dice.below(3);
    manual_precedence.rotate_left(turn);
    let first_bound = 1 + dice.below(3);
    let mut bands = vec![(Some(first_bound), 50_000_000)];
    if dice.percent(30) {
        bands.push((Some(first_bound + 1), 45_000_000));
    }
    bands.push((None, 40_000_000));
    Rules {
        rounded: dice.percent(40),
        required,
        automatic_days_min: 1 + dice.below(3),
        manual_precedence,
        gap_breaks: dice.percent(50),
        year_restarts: dice.percent(50),
        continues_after_interview: dice.percent(50),
        consecutive_unmet: u32::try_from(dice.pick(&[1, 2, 2, 2, 3])).expect("a small number"),
        interviews_per_year: dice.pick(&[1, 2, 2, 3]),
        always_issued: dice.percent(30),
        band_by_unmet: dice.percent(40),
        bands,
        municipal_percent: dice.pick(&[0, 30, 33, 100]),
        reward_by_sections: dice.percent(50),
        annual_months_min: dice.pick(&[1, 4, 8]),
    }
}

struct Playwright {
    book: Book,
    dice: Dice,
    now: DateTime,
    /// A year with few misses, so that counties meet their annual targets and rewards are shared.
    calm: bool,
    /// Rows already imported, for duplicates, conflicts and revisions.
    written: Vec<Row>,
}

impl Playwright {
    fn act(&mut self, deed: Deed) {
        self.now = self.now.saturating_add(10.minutes());
        self.book.acts.push(Act { at: self.now, deed });
    }

    fn write(&mut self, first: i32, months: i32) {
        let mut waiting: Vec<Round> = Vec::new();
        for month in first..first + months {
            if month > first {
                let start = self.now.date().first_of_month().saturating_add(1.month());
                self.now = start.at(8, 0, 0, 0);
            }
            let rows = self.rows_of(month);
            self.import(rows);
            waiting.push(Round::Month(month));
            if (month + 1) % 3 == 0 {
                waiting.push(Round::Quarter(month.div_euclid(3)));
            }
            self.now = self.now.saturating_add(Span::new().days(3));
            self.meetings();
            self.declarations(month);
            let mut rounds = std::mem::take(&mut waiting);
            if self.dice.percent(15) {
                rounds.reverse();
            }
            for round in rounds {
                if self.dice.percent(12) && month + 1 < first + months {
                    waiting.push(round);
                } else {
                    self.publish(round);
                }
            }
            self.meetings();
            self.now = self.now.saturating_add(Span::new().days(1 + i64::try_from(self.dice.below(8)).expect("few")));
            if self.dice.percent(20) {
                self.revise();
            }
            self.meetings();
            self.payment();
        }
        self.finish();
    }

    fn publish(&mut self, round: Round) {
        let rest = if self.dice.percent(55) { Some(self.dice.pick(&REASONS)) } else { None };
        self.act(Deed::Publish { round, rest });
        // Whatever was refused as incomplete comes out with reasons for the rest.
        if rest.is_none() && self.dice.percent(85) {
            let rest = Some(self.dice.pick(&REASONS));
            self.act(Deed::Publish { round, rest });
        }
    }

    fn meetings(&mut self) {
        if self.dice.percent(25) {
            let county = self.any_county();
            self.act(Deed::Hold { county });
        }
        if self.dice.percent(12) {
            let county = self.any_county();
            let year = self.dice.pick(&[START_YEAR, START_YEAR + 1]);
            let serious = self.dice.percent(60);
            self.act(Deed::Determine { county, year, serious });
        }
    }

    fn any_county(&mut self) -> String {
        if self.dice.percent(3) { "nowhere".to_owned() } else { self.dice.pick(&self.book.counties) }
    }

    fn declarations(&mut self, month: i32) {
        for index in 0..self.book.sections.len() {
            let round = if self.dice.percent(85) { Round::Month(month) } else { Round::Quarter(month.div_euclid(3)) };
            if self.book.sections[index].active(round) && self.dice.percent(9) {
                let section =
                    if self.dice.percent(3) { "nothing".to_owned() } else { self.book.sections[index].id.clone() };
                let reason = self.dice.pick(&REASONS);
                self.act(Deed::Declare { section, round, reason });
            }
        }
    }

    fn payment(&mut self) {
        if self.dice.percent(15) {
            let county = self.any_county();
            let fen = 1 + i64::try_from(self.dice.below(60_000_007)).expect("a small number");
            let year = self.dice.percent(30).then_some(START_YEAR + 1);
            self.act(Deed::Pay { county, fen, year });
        }
    }

    fn finish(&mut self) {
        for _ in 0..self.dice.below(3) {
            let payable = i64::try_from(self.dice.below(70_000_000)).expect("a small number");
            self.act(Deed::Settle { year: START_YEAR, payable });
            if self.dice.percent(30) {
                self.revise();
            }
            if self.dice.percent(30) {
                self.payment();
            }
        }
    }

    fn import(&mut self, rows: Vec<Row>) {
        let mut rows = rows;
        for _ in 0..self.dice.below(3) {
            if self.written.is_empty() {
                break;
            }
            // A duplicate, or a conflict where the figure differs; of an earlier month it comes too late.
            let mut row = self.dice.pick(&self.written);
            if self.dice.percent(50) {
                row.figure = self.figure(row.indicator, 2, false, false);
            }
            rows.push(row);
        }
        self.written.extend(rows.iter().cloned());
        self.act(Deed::Import { rows });
    }

    fn revise(&mut self) {
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..=self.dice.below(5) {
            let mut row = self.dice.pick(&self.written);
            let target = self.book.section(&row.section).map_or(2, |section| section.target);
            let bad = self.dice.percent(40);
            row.figure = if self.dice.percent(20) { None } else { self.figure(row.indicator, target, false, bad) };
            row.status = if self.dice.percent(10) { "维护" } else { "" };
            if self.dice.percent(15) {
                row.source = self.dice.pick(&["national", "provincial", "municipal"]);
            }
            let same = |other: &Row| {
                (&other.section, other.time, other.source, other.indicator)
                    == (&row.section, row.time, row.source, row.indicator)
            };
            if !rows.iter().any(same) {
                rows.push(row);
            }
        }
        self.written.extend(rows.iter().filter(|row| row.figure.is_some()).cloned());
        self.act(Deed::Revise { rows });
    }

    fn rows_of(&mut self, month: i32) -> Vec<Row> {
        let mut rows = Vec::new();
        for section in self.book.sections.clone() {
            let bad_share = if self.calm { self.dice.pick(&[0, 0, 5]) } else { self.dice.pick(&[5, 45, 75]) };
            for code in codes() {
                let core = ["ph", "do", "codmn", "nh3n"].contains(&code);
                let measured = if core { self.dice.percent(96) } else { self.dice.percent(25) };
                if !measured {
                    continue;
                }
                let bad = self.dice.percent(if core { bad_share / 2 } else { bad_share / 4 });
                for source in ["automatic", "national", "provincial", "municipal"] {
                    let share = if source == "automatic" { 25 } else { 50 };
                    if self.dice.percent(share) || (source == "national" && core) {
                        self.samples(&section, month, code, source, bad, &mut rows);
                    }
                }
            }
        }
        rows
    }

    fn samples(
        &mut self,
        section: &Section,
        month: i32,
        code: &'static str,
        source: &'static str,
        bad: bool,
        rows: &mut Vec<Row>,
    ) {
        let lake = section.is_lake_water();
        for _ in 0..=self.dice.below(if source == "automatic" { 4 } else { 2 }) {
            let year = i16::try_from(month.div_euclid(12)).expect("a year");
            let month = i8::try_from(month.rem_euclid(12) + 1).expect("a month");
            let day = 1 + i8::try_from(self.dice.below(4)).expect("a day");
            let hour = i8::try_from(self.dice.pick(&[0, 0, 5, 23])).expect("an hour");
            let time = date(year, month, day).at(hour, 0, 0, 0);
            let figure = self.figure(code, section.target, lake, bad);
            let status = if self.dice.percent(4) { "维护" } else { "" };
            let time_text = self.spelled(time);
            rows.push(Row { section: section.id.clone(), time, time_text, source, indicator: code, figure, status });
        }
    }

    /// A day alone, a time of the day, or the same moment with an offset.
    fn spelled(&mut self, time: DateTime) -> String {
        if time.hour() == 0 && self.dice.percent(70) {
            return time.date().to_string();
        }
        if self.dice.percent(20) {
            let utc = time.saturating_sub(8.hours());
            return format!("{}Z", utc.strftime("%Y-%m-%dT%H:%M:%S"));
        }
        time.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// A figure near the target's limit: on it, a little inside, or where `bad` a little outside or a class worse.
    fn figure(&mut self, code: &'static str, target: usize, lake: bool, bad: bool) -> Option<Figure> {
        let text = match code {
            "ph" => self
                .dice
                .pick(if bad { &["5.9", "9.1", "5.995", "9.2"] } else { &["6", "9.0", "7.5", "8.005"] })
                .to_owned(),
            "do" => {
                let near = self.dice.pick(if bad {
                    &[["5.9", "4.9", "2.99", "1.5"], ["4.4", "4.9", "2.5", "1.99"]]
                } else {
                    &[["6.0", "5", "3.0", "2"], ["7.5", "6.2", "4", "3.005"]]
                });
                near[target.clamp(1, 4) - 1].to_owned()
            }
            _ => {
                let limit = limit_text(code, lake, target);
                if !bad && self.dice.percent(if self.calm { 3 } else { 12 }) {
                    let limit = limit_text(code, lake, self.dice.pick(&[target, target, 4]));
                    return Some(Figure {
                        text: format!("{}{limit}", self.dice.pick(&["<", "<"])),
                        number: exact(limit),
                        below: true,
                    });
                }
                let factor = self.dice.pick(if bad { &[11, 12, 12, 21, 13] } else { &[10, 9, 8, 5] });
                scaled(limit, factor)
            }
        };
        if self.dice.percent(2) {
            return None;
        }
        Some(Figure { number: exact(&text), text, below: false })
    }
}

/// A limit times so many tenths, as plain text.
fn scaled(limit: &str, tenths: i64) -> String {
    let number = exact(limit) * exact(&tenths.to_string()) / exact("10");
    crate::values::in_full(&number)
}
