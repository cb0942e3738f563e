//! R7: bands, charges, reversals, payments.

use super::*;
use crate::escalation::tests::{Book, V};

fn charged(book: &Book) -> Vec<(String, usize, i64)> {
    let events = decide(&book.county, &Compensation::default());
    let account = events.iter().fold(Compensation::default(), Compensation::evolve);
    account.charges.values().map(|charge| (charge.month.to_string(), charge.sections.len(), charge.fen.0)).collect()
}

#[test]
fn up_to_three_sections_pay_the_higher_rate_four_and_more_the_lower() {
    let mut book = Book::default();
    book.publish("2020-01", &[("a", V::Unmet), ("b", V::Met), ("c", V::Dry)]);
    book.publish("2020-02", &[("a", V::Unmet), ("b", V::Unmet), ("c", V::Dry), ("d", V::Met)]);
    assert_eq!(charged(&book), [("2020-01".to_owned(), 1, 50_000_000), ("2020-02".to_owned(), 2, 80_000_000)]);
}

#[test]
fn the_band_may_count_the_charged_sections_instead() {
    let mut book = Book::default();
    book.rules.band_basis = BandBasis::Unmet;
    book.publish("2020-02", &[("a", V::Unmet), ("b", V::Met), ("c", V::Met), ("d", V::Met)]);
    assert_eq!(charged(&book), [("2020-02".to_owned(), 1, 50_000_000)]);
}

#[test]
fn quarters_and_drinking_water_sources_are_not_charged() {
    let mut book = Book::default();
    book.publish("2020-Q1", &[("a", V::Unmet)]);
    book.publish("2020-01", &[("source", V::UnmetSource), ("b", V::Met)]);
    assert_eq!(charged(&book), []);
}

#[test]
fn a_correction_reverses_the_charge_and_charges_anew() {
    let mut book = Book::default();
    book.publish("2020-01", &[("a", V::Unmet), ("b", V::Unmet)]);
    let first = decide(&book.county, &Compensation::default());
    let account = first.iter().fold(Compensation::default(), Compensation::evolve);
    book.correct("2020-01", &[("a", V::Met)]);
    let second = decide(&book.county, &account);
    assert!(matches!(second[..], [CompensationEvent::ChargeReversed { .. }, CompensationEvent::Charged { .. }]));
    let account = second.iter().fold(account, Compensation::evolve);
    assert_eq!(account.charged(2020), Fen(50_000_000));
    assert_eq!(decide(&book.county, &account), vec![]);
}

#[test]
fn payments_are_credited_to_their_year() {
    let account = Compensation::default();
    let paid = account.pay(2020, Fen(70)).expect("accepted").iter().fold(account, Compensation::evolve);
    assert_eq!((paid.paid(2020), paid.paid(2021), paid.balance(2020)), (Fen(70), Fen::ZERO, Fen(-70)));
}

#[test]
fn an_impossible_payment_is_refused() {
    for fen in [0, -1, i64::MAX] {
        assert!(matches!(Compensation::default().pay(2020, Fen(fen)), Err(Refusal::InvalidAmount { .. })));
    }
}
