//! Counting working days, calendar days and reminders.

use super::*;
use jiff::civil::date;

fn calendar() -> WorkCalendar {
    WorkCalendar::new(vec![CalendarYear {
        year: 2020,
        notices: vec!["国办发明电〔2019〕16号".to_owned()],
        holidays: vec![Holiday {
            name: "国庆节、中秋节".to_owned(),
            from: date(2020, 10, 1),
            to: date(2020, 10, 8),
            worked: vec![date(2020, 9, 27), date(2020, 10, 10)],
        }],
    }])
    .expect("consistent")
}

#[test]
fn working_days_skip_weekends_and_holidays_and_count_exchanged_days() {
    let deadline = calendar().add_working_days(date(2020, 9, 25), 6);
    assert_eq!(deadline.due_on, date(2020, 10, 10));
    assert!(!deadline.provisional);
    assert_eq!(
        deadline.counted.chinese(),
        "自2020年9月25日次日起第6个工作日；不计2020年9月26日（周末）、2020年10月1日至2020年10月8日（国庆节、中秋节）；\
         计入2020年9月27日（国庆节、中秋节调休上班）、2020年10月10日（国庆节、中秋节调休上班）"
    );
    assert_eq!(deadline.counted.notices, ["国办发明电〔2019〕16号"]);
}

#[test]
fn a_reminder_counts_back() {
    let deadline = calendar().add_working_days(date(2020, 10, 9), -1);
    assert_eq!(deadline.due_on, date(2020, 9, 30));
    assert_eq!(deadline.counted.skipped.len(), 1);
    assert_eq!(calendar().add_working_days(date(2020, 10, 3), 0).due_on, date(2020, 10, 3));
}

#[test]
fn calendar_days_move_to_the_next_working_day() {
    let moved = calendar().add_calendar_days_moved(date(2020, 9, 3), 30);
    assert_eq!((moved.due_on, moved.provisional), (date(2020, 10, 9), false));
    let unmoved = calendar().add_calendar_days_moved(date(2020, 9, 10), 30);
    assert_eq!(unmoved.due_on, date(2020, 10, 10), "an exchanged Saturday is worked");
    assert!(unmoved.counted.skipped.is_empty());
}

#[test]
fn a_count_into_an_unpublished_year_is_provisional() {
    let calendar = calendar();
    assert!(!calendar.add_working_days(date(2020, 12, 30), 1).provisional);
    let over = calendar.add_working_days(date(2020, 12, 30), 2);
    assert_eq!((over.due_on, over.provisional), (date(2021, 1, 1), true));
    assert!(calendar.add_calendar_days_moved(date(2020, 12, 20), 30).provisional);
}

#[test]
fn a_deadline_reads_as_it_is_written() {
    let deadline = calendar().add_working_days(date(2020, 9, 25), 6);
    let text = serde_json::to_string(&deadline).expect("serializable");
    assert_eq!(serde_json::from_str::<Deadline>(&text).expect("readable"), deadline);
}

#[test]
fn a_contradictory_year_is_refused() {
    let year = |from, to, worked| CalendarYear {
        year: 2020,
        notices: vec!["通知".to_owned()],
        holidays: vec![Holiday { name: "元旦".to_owned(), from, to, worked }],
    };
    let new_year = date(2020, 1, 1);
    let refused = |year| WorkCalendar::new(vec![year]).expect_err("contradictory");
    assert!(matches!(refused(year(date(2020, 1, 2), new_year, vec![])), InvalidCalendar::Range { .. }));
    assert!(matches!(refused(year(new_year, date(2020, 3, 2), vec![])), InvalidCalendar::Range { .. }));
    assert!(matches!(
        refused(year(date(2021, 1, 1), date(2021, 1, 1), vec![])),
        InvalidCalendar::Outside { year: 2020, .. }
    ));
    let weekday = date(2020, 1, 6);
    assert_eq!(refused(year(new_year, new_year, vec![weekday])), InvalidCalendar::WorkedWeekday { date: weekday });
    let saturday = date(2020, 1, 4);
    assert_eq!(refused(year(new_year, saturday, vec![saturday])), InvalidCalendar::DayTwice { date: saturday });
    let plain = year(new_year, new_year, vec![]);
    let later = CalendarYear { holidays: vec![], ..plain.clone() };
    assert_eq!(WorkCalendar::new(vec![plain, later.clone()]), Err(InvalidCalendar::YearTwice(2020)));
    assert_eq!(refused(CalendarYear { notices: vec![], ..later }), InvalidCalendar::NoNotice(2020));
}

#[test]
fn counts_at_the_ends_of_the_calendar_stop_there() {
    assert_eq!(calendar().add_working_days(Date::MAX, i32::MAX).due_on, Date::MAX);
    assert_eq!(calendar().add_calendar_days_moved(Date::MIN, i32::MIN).due_on, Date::MIN);
}
