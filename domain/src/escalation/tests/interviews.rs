//! R5: holding an interview, and its minutes.

use super::*;

#[test]
fn an_interview_cannot_be_held_when_none_is_open() {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    book.hold("2020-03-10").expect("open");
    assert_eq!(book.hold("2020-03-11"), Err(Refusal::NoOpenInterview { county: "c".to_owned() }));
}

#[test]
fn an_interview_cannot_be_held_in_the_future() {
    let book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    let hold = |today: &str| {
        let (held_on, today) = ("2020-03-10".parse().expect("date"), today.parse().expect("date"));
        let impact = Impact::Determination;
        act(
            &book.county,
            "c",
            InterviewCommand::Hold { held_on, today, attended: vec![], interviews_per_year: 2, impact },
        )
    };
    assert!(matches!(hold("2020-03-09"), Err(Refusal::ImpossibleDate { .. })));
    assert!(hold("2020-03-10").is_ok());
}

#[test]
fn minutes_need_a_held_interview() {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    let minutes = || InterviewCommand::Minutes { raised_by: at("2020-02"), minutes: "m".to_owned() };
    assert!(matches!(act(&book.county, "c", minutes()), Err(Refusal::UnknownInterview { .. })));
    book.hold("2020-03-10").expect("open");
    assert!(act(&book.county, "c", minutes()).is_ok());
}
