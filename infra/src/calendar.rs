//! The working-day table: the State Council's notices from 2019 on, built in, or a file in its place.
//!
//! An unknown key, a day stated twice or a year without its notice is refused with the place it stands at.

use bishui_domain::calendar::{CalendarYear, Holiday, InvalidCalendar, WorkCalendar};
use serde::Deserialize;

const BUILT_IN: &str = include_str!("../data/working-days.toml");

/// A working-day table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// Not TOML, an unknown key, or a value of the wrong kind; the source names line and key.
    #[error("the working-day table cannot be read")]
    Unreadable(#[source] Box<toml::de::Error>),
    /// A contradiction in what it says.
    #[error("the working-day table contradicts itself")]
    Contradiction(#[source] InvalidCalendar),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    year: Vec<PublishedYear>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedYear {
    year: i16,
    notices: Vec<String>,
    holidays: Vec<Holiday>,
}

/// The built-in table.
pub fn built_in() -> WorkCalendar {
    parse(BUILT_IN).expect("the built-in table is checked by a test")
}

/// Reads a table that replaces the built-in one.
///
/// # Errors
/// A text that is no such table, with line and key, or one that contradicts itself.
pub fn parse(text: &str) -> Result<WorkCalendar, CalendarError> {
    let file: File = toml::from_str(text).map_err(|error| CalendarError::Unreadable(Box::new(error)))?;
    let years =
        file.year.into_iter().map(|PublishedYear { year, notices, holidays }| CalendarYear { year, notices, holidays });
    WorkCalendar::new(years.collect()).map_err(CalendarError::Contradiction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bishui_domain::calendar::DayKind;
    use jiff::civil::date;

    #[test]
    fn spot_days_of_every_year_are_as_published() {
        let calendar = built_in();
        let off = [
            date(2019, 5, 3),
            date(2020, 1, 31),
            date(2020, 2, 1),
            date(2021, 9, 21),
            date(2022, 1, 3),
            date(2022, 12, 31),
            date(2023, 10, 6),
            date(2024, 2, 17),
            date(2025, 10, 8),
            date(2026, 2, 23),
        ];
        let worked = [
            date(2019, 5, 5),
            date(2020, 1, 19),
            date(2021, 9, 26),
            date(2022, 4, 2),
            date(2023, 6, 25),
            date(2024, 9, 14),
            date(2025, 4, 27),
            date(2026, 2, 14),
            date(2020, 2, 3),
        ];
        assert!(off.iter().all(|day| !calendar.is_working_day(*day)), "{off:?}");
        assert!(worked.iter().all(|day| calendar.is_working_day(*day)), "{worked:?}");
        assert_eq!(calendar.day(date(2020, 2, 2)), DayKind::Holiday("春节".to_owned()));
        assert!((2019..=2026).all(|year| calendar.is_published(year)));
    }

    /// Working days a year, counted over all its days by two independent tables when this one was made.
    #[test]
    fn every_year_has_its_number_of_working_days() {
        let calendar = built_in();
        let counts = (2019..=2026).map(|year| {
            let days = date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
            (year, days.filter(|day| calendar.is_working_day(*day)).count())
        });
        let expected =
            [(2019, 250), (2020, 249), (2021, 250), (2022, 249), (2023, 249), (2024, 251), (2025, 248), (2026, 248)];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = "[[year]]\nyear = 2027\nnotice = \"x\"\nnotices = []\nholidays = []\n";
        let Err(CalendarError::Unreadable(source)) = parse(text) else { panic!("accepted") };
        let shown = source.to_string();
        assert!(shown.contains("line 3") && shown.contains("notice"), "{shown}");
    }
}
