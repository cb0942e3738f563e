//! Working days and deadlines: every deadline carries how it was counted.
//!
//! A day is worked unless it is a weekend or a day off of the State Council's notice; a weekend day that the notice
//! exchanges is worked. In a year without a notice plain weekends count, and whatever rests on it is provisional (R9).

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};
use serde::{Deserialize, Serialize};

/// The days of one or more years, as the State Council's notices fix them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct WorkCalendar {
    years: BTreeMap<i16, Vec<String>>,
    exceptions: BTreeMap<Date, Exception>,
}

/// One year as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarYear {
    /// The calendar year.
    pub year: i16,
    /// The numbers of the notices it rests on, the newest last.
    pub notices: Vec<String>,
    /// Its holidays.
    pub holidays: Vec<Holiday>,
}

/// One holiday of a notice: consecutive days off, and the weekend days worked in exchange.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// Its name, `春节`.
    pub name: String,
    /// First day off.
    pub from: Date,
    /// Last day off.
    pub to: Date,
    /// Weekend days worked in exchange.
    #[serde(default)]
    pub worked: Vec<Date>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    Off(String),
    Worked(String),
}

/// What kind of day a date is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "holiday")]
pub enum DayKind {
    /// An ordinary working day.
    Working,
    /// A weekend day worked in exchange for the holiday named.
    Exchanged(String),
    /// A Saturday or Sunday.
    Weekend,
    /// A day off of the holiday named.
    Holiday(String),
}

/// A date by which something is due, and how it was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The last day on which it is in time, in Beijing time.
    pub due_on: Date,
    /// Whether the count touched a year whose notice is not known.
    pub provisional: bool,
    /// How it was counted.
    pub counted: Counted,
}

/// How a deadline was counted: enough to show every day that did not count, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The day the count starts from; it does not count itself.
    pub from: Date,
    /// What was counted.
    pub rule: CountRule,
    /// Runs of days that did not count, in time order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Stretch>,
    /// Weekend days that did count, because they are worked in exchange for a holiday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanged: Vec<Stretch>,
    /// The notices of the years touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// What a deadline counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountRule {
    /// This number of working days; negative ones lie before the day the count starts from.
    WorkingDays(i32),
    /// This number of calendar days, then on to the next working day.
    CalendarDaysMoved(i32),
}

/// Consecutive days of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// First day.
    pub first: Date,
    /// Last day.
    pub last: Date,
    /// What they are.
    #[serde(flatten)]
    pub day: DayKind,
}

/// A year that contradicts itself or another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCalendar {
    /// The year was given before.
    #[error("year {0} is given twice; keep one entry a year")]
    YearTwice(i16),
    /// A year without a notice.
    #[error("year {0} names no notice; give the number or title of the State Council's notice")]
    NoNotice(i16),
    /// The holiday ends before it starts, or is longer than a month.
    #[error("{name} of {year} runs from {from} to {to}; check its first and last day")]
    Range {
        /// The year.
        year: i16,
        /// The holiday.
        name: String,
        /// First day off.
        from: Date,
        /// Last day off.
        to: Date,
    },
    /// A day outside the year and the December before.
    #[error("{date} does not belong to the notice of {year}, which may name days of that year and the December before")]
    Outside {
        /// The year.
        year: i16,
        /// The day.
        date: Date,
    },
    /// Two statements about one day.
    #[error("{date} is stated twice; a day is off or worked, for one holiday")]
    DayTwice {
        /// The day.
        date: Date,
    },
    /// An exchanged day that is no weekend.
    #[error("{date} is no Saturday or Sunday; only weekend days are worked in exchange")]
    WorkedWeekday {
        /// The day.
        date: Date,
    },
}

/// Most days off in a row that a notice may grant; longer ones are typing errors.
const HOLIDAY_DAYS_MAX: usize = 31;

impl WorkCalendar {
    /// The calendar of the years given.
    ///
    /// # Errors
    /// A year that contradicts itself or another one.
    pub fn new(years: Vec<CalendarYear>) -> Result<Self, InvalidCalendar> {
        let mut calendar = Self::default();
        for year in years {
            calendar.add(year)?;
        }
        Ok(calendar)
    }

    fn add(&mut self, year: CalendarYear) -> Result<(), InvalidCalendar> {
        let CalendarYear { year, notices, holidays } = year;
        if notices.iter().all(|notice| notice.trim().is_empty()) {
            return Err(InvalidCalendar::NoNotice(year));
        }
        for Holiday { name, from, to, worked } in holidays {
            let days: Vec<Date> =
                from.series(1.day()).take_while(|day| *day <= to).take(HOLIDAY_DAYS_MAX + 1).collect();
            if days.is_empty() || days.len() > HOLIDAY_DAYS_MAX {
                return Err(InvalidCalendar::Range { year, name, from, to });
            }
            for date in days {
                self.state(year, date, Exception::Off(name.clone()))?;
            }
            for date in worked {
                if !is_weekend(date) {
                    return Err(InvalidCalendar::WorkedWeekday { date });
                }
                self.state(year, date, Exception::Worked(name.clone()))?;
            }
        }
        match self.years.insert(year, notices) {
            Some(_) => Err(InvalidCalendar::YearTwice(year)),
            None => Ok(()),
        }
    }

    fn state(&mut self, year: i16, date: Date, exception: Exception) -> Result<(), InvalidCalendar> {
        let december_before = date.month() == 12 && date.year().checked_add(1) == Some(year);
        if date.year() != year && !december_before {
            return Err(InvalidCalendar::Outside { year, date });
        }
        match self.exceptions.insert(date, exception) {
            Some(_) => Err(InvalidCalendar::DayTwice { date }),
            None => Ok(()),
        }
    }

    /// Whether the year's notice is known.
    pub fn is_published(&self, year: i16) -> bool {
        self.years.contains_key(&year)
    }

    /// What kind of day `date` is.
    pub fn day(&self, date: Date) -> DayKind {
        match self.exceptions.get(&date) {
            Some(Exception::Off(name)) => DayKind::Holiday(name.clone()),
            Some(Exception::Worked(name)) => DayKind::Exchanged(name.clone()),
            None if is_weekend(date) => DayKind::Weekend,
            None => DayKind::Working,
        }
    }

    /// Whether `date` is worked.
    pub fn is_working_day(&self, date: Date) -> bool {
        self.day(date).is_worked()
    }

    /// The `n`-th working day after `from` (day 1 is the first working day after it), or before it when `n` is
    /// negative; `from` itself, worked or not, when `n` is 0.
    pub fn add_working_days(&self, from: Date, n: i32) -> Deadline {
        let mut walk = Walk::start(self, from);
        let mut left = n.unsigned_abs();
        while left > 0 && walk.step(n < 0) {
            if walk.look() {
                left -= 1;
            }
        }
        walk.finish(CountRule::WorkingDays(n))
    }

    /// The day `n` calendar days after `from`, moved to the next working day if it is not worked.
    pub fn add_calendar_days_moved(&self, from: Date, n: i32) -> Deadline {
        let mut walk = Walk::start(self, from);
        let end = if n < 0 { Date::MIN } else { Date::MAX };
        walk.at = Span::new().try_days(n).map_or(end, |days| from.saturating_add(days));
        while !walk.look() && walk.step(false) {}
        walk.finish(CountRule::CalendarDaysMoved(n))
    }
}

impl DayKind {
    /// Whether such a day is worked.
    pub fn is_worked(&self) -> bool {
        match self {
            Self::Working | Self::Exchanged(_) => true,
            Self::Weekend | Self::Holiday(_) => false,
        }
    }
}

impl Counted {
    /// The count in one Chinese sentence, for notices and pages.
    pub fn chinese(&self) -> String {
        let from = chinese_date(self.from);
        let mut text = match self.rule {
            CountRule::WorkingDays(n) if n < 0 => format!("{from}之前第{}个工作日", n.unsigned_abs()),
            CountRule::WorkingDays(n) => format!("自{from}次日起第{n}个工作日"),
            CountRule::CalendarDaysMoved(n) => format!("{from}之后{n}日，遇休息日顺延"),
        };
        for (label, stretches) in [("不计", &self.skipped), ("计入", &self.exchanged)] {
            if !stretches.is_empty() {
                let listed: Vec<String> = stretches.iter().map(Stretch::chinese).collect();
                text.push('；');
                text.push_str(label);
                text.push_str(&listed.join("、"));
            }
        }
        text
    }
}

impl Stretch {
    fn chinese(&self) -> String {
        let why = match &self.day {
            DayKind::Working => "工作日".to_owned(),
            DayKind::Exchanged(name) => format!("{name}调休上班"),
            DayKind::Weekend => "周末".to_owned(),
            DayKind::Holiday(name) => name.clone(),
        };
        if self.first == self.last {
            format!("{}（{why}）", chinese_date(self.first))
        } else {
            format!("{}至{}（{why}）", chinese_date(self.first), chinese_date(self.last))
        }
    }
}

fn chinese_date(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// A walk over days that notes what it passes.
struct Walk<'a> {
    calendar: &'a WorkCalendar,
    from: Date,
    at: Date,
    provisional: bool,
    passed: Vec<Stretch>,
    years: Vec<i16>,
}

impl<'a> Walk<'a> {
    fn start(calendar: &'a WorkCalendar, from: Date) -> Self {
        Self { calendar, from, at: from, provisional: false, passed: Vec::new(), years: Vec::new() }
    }

    /// Moves one day; false at the end of the representable calendar, where the walk stays.
    fn step(&mut self, back: bool) -> bool {
        let next = if back { self.at.yesterday() } else { self.at.tomorrow() };
        match next {
            Ok(date) => {
                self.at = date;
                true
            }
            Err(_) => false,
        }
    }

    /// Notes the day the walk stands on; true if it is worked.
    fn look(&mut self) -> bool {
        let year = self.at.year();
        if !self.years.contains(&year) {
            self.years.push(year);
        }
        self.provisional |= !self.calendar.is_published(year);
        let day = self.calendar.day(self.at);
        let worked = day.is_worked();
        if day != DayKind::Working {
            self.passed.push(Stretch { first: self.at, last: self.at, day });
        }
        worked
    }

    fn finish(mut self, rule: CountRule) -> Deadline {
        self.passed.sort_by_key(|stretch| stretch.first);
        self.years.sort_unstable();
        let (exchanged, skipped): (Vec<_>, Vec<_>) = self.passed.into_iter().partition(|passed| passed.day.is_worked());
        let notices = self.years.iter().filter_map(|year| self.calendar.years.get(year)).flatten().cloned().collect();
        let counted =
            Counted { from: self.from, rule, skipped: joined(skipped), exchanged: joined(exchanged), notices };
        Deadline { due_on: self.at, provisional: self.provisional, counted }
    }
}

/// Joins neighbouring days of one kind.
fn joined(days: Vec<Stretch>) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for day in days {
        match stretches.last_mut() {
            Some(last) if last.day == day.day && last.last.tomorrow().ok() == Some(day.first) => last.last = day.last,
            Some(_) | None => stretches.push(day),
        }
    }
    stretches
}

#[cfg(test)]
mod tests;
