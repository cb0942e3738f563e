//! R8: corrections of what was published.

use super::*;

#[test]
fn a_correction_withdraws_the_notice_and_cancels_an_interview_not_held() {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.interviews(), ["2020-02 cancelled: a 2020-01/2020-02"]);
    assert_eq!(book.warned(), [("2020-01".to_owned(), 1), ("2020-02".to_owned(), 0)]);
    book.correct("2020-02", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-01/2020-02"]);
    assert_eq!(book.warned(), [("2020-01".to_owned(), 1), ("2020-02".to_owned(), 1)]);
}

#[test]
fn a_held_interview_that_lost_its_grounds_stays_and_no_longer_counts() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.interviews(), ["2020-02 held lost: a 2020-01/2020-02", "2020-04 held: a 2020-03/2020-04"]);
    assert_eq!(book.proposals(), [(2020, "withdrawn".to_owned(), 1, false)]);
    book.correct("2020-02", &[("a", V::Unmet)]);
    assert_eq!(book.proposals(), [(2020, "drafted".to_owned(), 2, false)]);
}

#[test]
fn a_held_interview_answers_for_what_the_corrected_record_has_open() {
    let mut book = Book::default();
    book.publish("2020-01", &[("a", V::Unmet)]);
    book.publish("2020-02", &[("a", V::Met)]);
    book.publish("2020-03", &[("a", V::Unmet)]);
    book.publish("2020-04", &[("a", V::Unmet)]);
    book.hold("2020-05-10").expect("open");
    book.correct("2020-02", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 held: a 2020-01/2020-02, a 2020-03/2020-04"]);
}

#[test]
fn an_issued_proposal_keeps_its_status_and_may_lose_its_grounds() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.determine(2020, true).expect("drafted");
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.proposals(), [(2020, "issued".to_owned(), 1, true)]);
}

#[test]
fn a_shelved_proposal_never_has_lost_grounds() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.determine(2020, false).expect("drafted");
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.proposals(), [(2020, "shelved".to_owned(), 1, false)]);
}
