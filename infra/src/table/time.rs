//! Times as people and stations write them, in Beijing time.

use bishui_domain::period::YEARS;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

const BEIJING: SignedDuration = SignedDuration::from_hours(8);

/// Reads `2020-01-05`, `2020/1/5`, `2020年1月5日`, each with an optional `04:00`, seconds and an offset after a space or `T`.
/// A date alone is 00:00; an offset is converted; years outside [`YEARS`] are refused.
pub(super) fn date_time(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let at = match text.split_once([' ', 'T', 't']) {
        Some((day, time)) => {
            let (time, offset) = split_offset(time.trim())?;
            date(day)?.to_datetime(clock(time)?).checked_add(BEIJING - offset).ok()?
        }
        None => date(text)?.to_datetime(Time::midnight()),
    };
    YEARS.contains(&at.year()).then_some(at)
}

/// Reads a date in one of the forms of [`date_time`].
pub(super) fn date(text: &str) -> Option<Date> {
    let text = text.trim();
    let parts: Vec<&str> = if let Some(chinese) = text.strip_suffix('日') {
        let (year, rest) = chinese.split_once('年')?;
        let (month, day) = rest.split_once('月')?;
        vec![year, month, day]
    } else {
        text.split(if text.contains('/') { '/' } else { '-' }).collect()
    };
    let [year, month, day] = parts.as_slice() else { return None };
    Date::new(number(year, 4, 4)?, i8::try_from(number(month, 1, 2)?).ok()?, i8::try_from(number(day, 1, 2)?).ok()?)
        .ok()
}

/// Reads `MM-DD HH:MM`, a time whose year is left out: the latest such day that is at most one day after `seen`, the day
/// on which it was shown. So a 31 December shown on 1 January belongs to the year before.
pub(super) fn month_day(text: &str, seen: Date) -> Option<DateTime> {
    let (day, time) = text.trim().split_once(' ')?;
    let (month, day) = day.split_once(['-', '/'])?;
    let (month, day) = (i8::try_from(number(month, 1, 2)?).ok()?, i8::try_from(number(day, 1, 2)?).ok()?);
    let time = clock(time.trim())?;
    let latest = seen.tomorrow().ok()?;
    let years = [latest.year(), latest.year().checked_sub(1)?];
    let days = years.into_iter().filter_map(|year| Date::new(year, month, day).ok());
    let at = days.filter(|day| *day <= latest).max()?.to_datetime(time);
    YEARS.contains(&at.year()).then_some(at)
}

/// Splits an offset off a time; Beijing where there is none.
fn split_offset(text: &str) -> Option<(&str, SignedDuration)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, SignedDuration::ZERO));
    }
    let Some(sign) = text.rfind(['+', '-']) else { return Some((text, BEIJING)) };
    let (time, offset) = text.split_at(sign);
    let digits: String = offset[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes, 2, 2)? };
    let hours = number(hours, 2, 2)?;
    if hours > 14 || minutes > 59 {
        return None;
    }
    let length = SignedDuration::from_mins(i64::from(hours) * 60 + i64::from(minutes));
    Some((time.trim_end(), if offset.starts_with('-') { -length } else { length }))
}

/// `4:00`, `04:00:00` or `04:00:00.5`.
fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    let part = |text: &str, least| i8::try_from(number(text, least, 2)?).ok();
    Time::new(part(hour, 1)?, part(minute, 2)?, part(second, 2)?, nanoseconds).ok()
}

/// ASCII digits only, of a length between the two given.
fn number(text: &str, least: usize, most: usize) -> Option<i16> {
    ((least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_form_is_beijing_time() {
        for (text, expected) in [
            ("2020-01-05", "2020-01-05T00:00:00"),
            ("2020/1/5", "2020-01-05T00:00:00"),
            ("2020年1月5日", "2020-01-05T00:00:00"),
            (" 2020-01-05 04:00 ", "2020-01-05T04:00:00"),
            ("2020/1/5 4:00", "2020-01-05T04:00:00"),
            ("2020-01-05T04:00:00", "2020-01-05T04:00:00"),
            ("2020-01-05T04:00:00.25", "2020-01-05T04:00:00.25"),
            ("2020-01-05T04:00:00+08:00", "2020-01-05T04:00:00"),
            ("2020-01-05T20:00:00Z", "2020-01-06T04:00:00"),
            ("2020-01-05 20:00-0330", "2020-01-06T07:30:00"),
            ("2020-01-05 20:00 +09", "2020-01-05T19:00:00"),
        ] {
            assert_eq!(date_time(text).map(|at| at.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2020",
            "2020-13-01",
            "2020-02-30",
            "20-01-05",
            "2020-1/5",
            "2020-01-05 25:00",
            "2020-01-05 24:00",
            "2020-01-05 4",
            "2020-01-05T",
            "2020-01-05 04:00:00.",
            "2020-01-05 04:00+99:00",
            "１９99-01-01",
            "1999-12-31",
            "2200-01-01",
            "2020-01-05 04:00+é",
            "=2020-01-05",
            "2020-01-05 04:00:00:00",
            "2020--5",
        ] {
            assert_eq!(date_time(text), None, "{text:?} was accepted");
        }
        assert_eq!(date_time("1999-12-31T23:00:00Z").map(DateTime::year), Some(2000), "Beijing's year counts");
    }

    #[test]
    fn a_year_left_out_is_the_latest_possible() {
        let seen = |y, m, d| jiff::civil::date(y, m, d);
        for (text, day, expected) in [
            ("05-08 15:00", seen(2020, 5, 8), "2020-05-08T15:00:00"),
            ("12-31 20:00", seen(2021, 1, 1), "2020-12-31T20:00:00"),
            ("01-01 00:05", seen(2020, 12, 31), "2021-01-01T00:05:00"),
            ("11-23 08:00", seen(2020, 5, 8), "2019-11-23T08:00:00"),
            ("02-29 08:00", seen(2021, 1, 5), "2020-02-29T08:00:00"),
        ] {
            assert_eq!(
                month_day(text, day).map(|at| at.to_string()).as_deref(),
                Some(expected),
                "{text} seen on {day}"
            );
        }
        assert_eq!(month_day("02-29 08:00", seen(2022, 3, 5)), None);
        assert_eq!(month_day("02-03", seen(2022, 3, 5)), None);
    }
}
