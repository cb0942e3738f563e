//! R6: accountability proposals.

use super::*;

#[test]
fn the_second_interview_of_a_year_drafts_a_proposal_that_a_person_decides_once() {
    let mut book = two_interviews();
    assert_eq!(book.determine(2020, true), Err(Refusal::NoDraftedProposal { county: "c".to_owned(), year: 2020 }));
    book.hold("2020-05-10").expect("open");
    assert_eq!(book.proposals(), [(2020, "drafted".to_owned(), 2, false)]);
    book.determine(2020, true).expect("drafted");
    assert_eq!(book.proposals(), [(2020, "issued".to_owned(), 2, false)]);
    assert!(book.determine(2020, false).is_err());
}

#[test]
fn a_proposal_without_serious_effect_is_shelved() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.determine(2020, false).expect("drafted");
    assert_eq!(book.proposals(), [(2020, "shelved".to_owned(), 2, false)]);
}

#[test]
fn interviews_of_two_calendar_years_draft_nothing() {
    let mut book = two_interviews();
    book.hold("2021-01-10").expect("open");
    assert_eq!(book.proposals(), []);
}

#[test]
fn a_third_interview_is_added_before_the_determination_and_not_after() {
    for (determined, counted) in [(false, 3), (true, 2)] {
        let mut book = two_interviews();
        book.hold("2020-05-10").expect("open");
        if determined {
            book.determine(2020, true).expect("drafted");
        }
        book.publish("2020-05", &[("a", V::Unmet)]);
        book.publish("2020-06", &[("a", V::Unmet)]);
        book.hold("2020-07-10").expect("open");
        assert_eq!(book.proposals()[0].2, counted);
    }
}

#[test]
fn with_impact_always_a_proposal_is_issued_without_a_determination() {
    let mut book = two_interviews();
    book.impact = Impact::Always;
    book.hold("2020-05-10").expect("open");
    assert_eq!(book.proposals(), [(2020, "issued".to_owned(), 2, false)]);
}
