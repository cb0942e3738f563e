//! R7, year end: in = out, to the fen.

use proptest::prelude::*;

use super::*;

fn basis(collected: i64, share: &str, reward: Reward, counties: &[(&str, u32)]) -> SettlementBasis {
    SettlementBasis {
        year: 2020,
        collected: Fen(collected),
        municipal_share: share.parse().expect(share),
        reward,
        rewarded: counties.iter().map(|(id, sections)| (id.parse().expect("valid"), *sections)).collect(),
    }
}

fn rewards(settlement: &Settlement) -> Vec<(&str, i64)> {
    settlement.rewards.iter().map(|(county, fen)| (county.as_str(), fen.0)).collect()
}

#[test]
fn the_province_is_paid_first_and_a_short_pool_leaves_a_stated_shortfall() {
    let settlement = settle(Fen(150), &basis(100, "0.3", Reward::Equal, &[("a", 1)]));
    assert_eq!((settlement.provincial, settlement.shortfall, settlement.municipal), (Fen(100), Fen(50), Fen::ZERO));
    assert_eq!(rewards(&settlement), [("a", 0)]);
}

#[test]
fn equal_rewards_give_the_remaining_fen_in_order_of_county() {
    let settlement = settle(Fen::ZERO, &basis(11, "0.3", Reward::Equal, &[("b", 1), ("a", 9), ("c", 1)]));
    assert_eq!(settlement.municipal, Fen(3));
    assert_eq!(rewards(&settlement), [("a", 3), ("b", 3), ("c", 2)]);
}

#[test]
fn rewards_by_sections_give_the_remaining_fen_by_largest_remainder() {
    let settlement = settle(Fen::ZERO, &basis(10, "0", Reward::BySections, &[("a", 1), ("b", 2)]));
    assert_eq!(rewards(&settlement), [("a", 3), ("b", 7)]);
    let settlement = settle(Fen::ZERO, &basis(10, "0", Reward::BySections, &[("a", 1), ("b", 1), ("c", 4)]));
    assert_eq!(rewards(&settlement), [("a", 2), ("b", 2), ("c", 6)]);
}

#[test]
fn without_a_rewarded_county_everything_stays_municipal() {
    let settlement = settle(Fen(10), &basis(110, "0.3", Reward::Equal, &[]));
    assert_eq!((settlement.municipal, rewards(&settlement)), (Fen(100), vec![]));
}

#[test]
fn an_ordered_settlement_is_made_once_and_again_only_when_the_record_differs() {
    let basis = basis(100, "0.3", Reward::Equal, &[]);
    let file = SettlementFile::default();
    assert_eq!(file.decide(&basis), vec![]);
    let ordered = file.order(2020, Fen(0)).expect("accepted").iter().fold(file, SettlementFile::evolve);
    let made = ordered.decide(&basis);
    assert_eq!(made.len(), 1);
    let settled = made.iter().fold(ordered, SettlementFile::evolve);
    assert_eq!(settled.decide(&basis), vec![]);
    assert_eq!(settled.decide(&SettlementBasis { collected: Fen(101), ..basis }).len(), 1);
}

#[test]
fn a_negative_bill_is_refused() {
    assert!(matches!(SettlementFile::default().order(2020, Fen(-1)), Err(Refusal::InvalidAmount { .. })));
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        collected in 0i64..1_000_000_000_000,
        payable in 0i64..1_000_000_000_000,
        share in 0u32..=1000,
        sections in proptest::collection::vec(1u32..50, 0..12),
        by_sections: bool,
    ) {
        let reward = if by_sections { Reward::BySections } else { Reward::Equal };
        let names: Vec<String> = (0..sections.len()).map(|n| format!("c{n:02}")).collect();
        let counties: Vec<_> = names.iter().map(String::as_str).zip(sections).collect();
        let mut basis = basis(collected, "0", reward, &counties);
        basis.municipal_share = Decimal::new(i64::from(share), 3);
        let made = settle(Fen(payable), &basis);
        let out = made.provincial.0 + made.municipal.0 + made.rewards.iter().map(|(_, fen)| fen.0).sum::<i64>();
        prop_assert_eq!(out, collected);
        prop_assert_eq!(made.provincial.0 + made.shortfall.0, payable);
        prop_assert!(made.rewards.iter().all(|(_, fen)| fen.0 >= 0));
    }
}
