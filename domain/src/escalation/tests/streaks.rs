//! R4 and R5: warning notices, and the streaks that require an interview.

use super::*;

#[test]
fn one_warning_notice_a_round_names_every_unmet_section() {
    let mut book = Book::default();
    let decided = book.publish("2020-01", &[("a", V::Unmet), ("b", V::Met), ("source", V::UnmetSource)]);
    assert_eq!((decided.len(), book.warned()), (1, vec![("2020-01".to_owned(), 2)]));
    assert_eq!(book.publish("2020-02", &[("a", V::Met), ("b", V::Dry)]), vec![]);
}

#[test]
fn two_unmet_months_without_improvement_require_one_interview() {
    let book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-01/2020-02"]);
}

#[test]
fn an_improving_second_month_does_not_qualify_but_a_third_that_is_no_better_does() {
    let mut book = after(&[("2020-01", V::At(140)), ("2020-02", V::At(130))]);
    assert_eq!(book.interviews(), [""; 0]);
    book.publish("2020-03", &[("a", V::At(130))]);
    assert_eq!(book.interviews(), ["2020-03 required: a 2020-02/2020-03"]);
}

#[test]
fn a_met_month_ends_a_streak() {
    let book = after(&[("2020-01", V::Unmet), ("2020-02", V::Met), ("2020-03", V::Unmet)]);
    assert_eq!(book.interviews(), [""; 0]);
}

#[test]
fn an_unassessed_month_is_bridged_or_breaks_as_the_rule_says() {
    let months = [("2020-01", V::Unmet), ("2020-02", V::Dry), ("2020-03", V::Unmet)];
    assert_eq!(after(&months).interviews(), ["2020-03 required: a 2020-01/2020-03"]);
    let mut book = Book::default();
    book.rules.gap = Gap::Break;
    for (month, v) in &months {
        book.publish(month, &[("a", *v)]);
    }
    assert_eq!(book.interviews(), [""; 0]);
}

#[test]
fn a_round_that_was_not_published_does_not_exist_for_a_streak() {
    let mut book = Book::default();
    book.rules.gap = Gap::Break;
    book.publish("2020-01", &[("a", V::Unmet)]);
    book.publish("2020-05", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-05 required: a 2020-01/2020-05"]);
}

#[test]
fn a_streak_runs_over_the_years_end_or_restarts_as_the_rule_says() {
    let months = [("2020-12", V::Unmet), ("2021-01", V::Unmet)];
    assert_eq!(after(&months).interviews(), ["2021-01 required: a 2020-12/2021-01"]);
    let mut book = Book::default();
    book.rules.year_boundary = YearBoundary::Restart;
    for (month, v) in &months {
        book.publish(month, &[("a", *v)]);
    }
    assert_eq!(book.interviews(), [""; 0]);
}

#[test]
fn after_a_qualification_the_streak_starts_again_or_runs_on_as_the_rule_says() {
    let months = ["2020-01", "2020-02", "2020-03", "2020-04"];
    let grounds = |book: &Book| book.county.interviews.raised.values().map(|r| r.grounds.len()).sum::<usize>();
    assert_eq!(grounds(&after(&months.map(|m| (m, V::Unmet)))), 2);
    let mut book = Book::default();
    book.rules.after_interview = AfterInterview::Continue;
    for month in &months {
        book.publish(month, &[("a", V::Unmet)]);
    }
    assert_eq!(grounds(&book), 3);
}

#[test]
fn an_open_interview_absorbs_new_grounds_and_a_held_one_does_not() {
    let mut book = Book::default();
    for month in ["2020-01", "2020-02"] {
        book.publish(month, &[("a", V::Unmet), ("b", V::Unmet)]);
    }
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-01/2020-02, b 2020-01/2020-02"]);
    book.publish("2020-03", &[("a", V::Unmet)]);
    book.publish("2020-04", &[("a", V::Unmet)]);
    assert_eq!(book.interviews().len(), 1);
    book.hold("2020-05-20").expect("open");
    book.publish("2020-05", &[("a", V::Unmet), ("b", V::Met)]);
    book.publish("2020-06", &[("a", V::Unmet), ("b", V::Met)]);
    assert_eq!(book.interviews().last().expect("two"), "2020-06 required: a 2020-05/2020-06");
}

#[test]
fn monthly_and_quarterly_streaks_are_separate() {
    let mut book = after(&[("2020-03", V::Unmet)]);
    book.publish("2020-Q1", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), [""; 0]);
    book.publish("2020-Q2", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-Q2 required: a 2020-Q1/2020-Q2"]);
}

#[test]
fn rounds_published_out_of_order_count_in_time_order() {
    let book = after(&[("2020-03", V::Unmet), ("2020-02", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-02/2020-03"]);
    let book = after(&[("2020-03", V::Unmet), ("2020-01", V::Unmet), ("2020-02", V::Met)]);
    assert_eq!(book.interviews(), ["2020-01 required: a 2020-01/2020-03"]);
}

#[test]
fn nothing_follows_before_the_last_part_of_a_round() {
    let mut book = Book::default();
    let part = |part, section: &str| CountyEvent::RoundJudged {
        period: at("2020-01"),
        rules: RoundRules::of(&RuleSet::default()),
        part,
        parts: 2,
        verdicts: vec![verdict(section, V::Unmet)],
    };
    assert_eq!(book.record(&[part(1, "a")]), vec![]);
    book.record(&[part(2, "b")]);
    assert_eq!(book.warned(), [("2020-01".to_owned(), 2)]);
    assert_eq!(book.interviews(), [""; 0]);
    let held = book.county.interviews.lines().iter().filter(|l| l.status == InterviewStatus::Held).count();
    assert_eq!(held, 0);
}
