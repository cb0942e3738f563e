//! Charges and the settlement (R7, contract: Settlement), in whole fen.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::ToPrimitive;

use crate::book::Round;
use crate::judge::{Verdict, year_is_met};
use crate::naive::{Naive, Slip};

/// A month's charge of a county.
#[derive(Debug)]
pub(crate) struct Charge {
    pub(crate) round: Round,
    pub(crate) county: String,
    pub(crate) sections: Vec<String>,
    pub(crate) fen: i64,
}

/// The charges that stand, by month and county.
pub(crate) fn charges(naive: &Naive<'_>) -> Vec<Charge> {
    let rules = &naive.book.rules;
    let mut made = BTreeMap::new();
    for (round, verdicts) in naive.verdicts.iter().filter(|(round, _)| round.cadence() == "month") {
        for county in &naive.book.counties {
            let of_county = naive.book.sections.iter().filter(|one| one.county == *county && one.is_charged());
            let assigned: Vec<_> = of_county.filter(|one| one.active(*round)).collect();
            let unmet: Vec<String> = assigned
                .iter()
                .filter(|one| verdicts.get(&one.id).is_some_and(Verdict::is_unmet))
                .map(|one| one.id.clone())
                .collect();
            let basis = if rules.band_by_unmet { unmet.len() } else { assigned.len() };
            let basis = basis + usize::from(naive.slip == Slip::BandOffByOne);
            let band = rules.bands.iter().find(|(most, _)| most.is_none_or(|most| basis <= most));
            let rate = band.expect("the last band has no bound").1;
            let count = i64::try_from(unmet.len()).expect("few sections");
            if count > 0 {
                let charge = Charge { round: *round, county: county.clone(), sections: unmet, fen: rate * count };
                made.insert((*round, county.clone()), charge);
            }
        }
    }
    made.into_values().collect()
}

/// A settlement's figures.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) year: i32,
    pub(crate) collected: i64,
    pub(crate) provincial: i64,
    pub(crate) shortfall: i64,
    pub(crate) municipal: i64,
    pub(crate) rewards: Vec<(String, i64)>,
}

/// The settlement, from the record at the end.
pub(crate) fn settlement(naive: &Naive<'_>) -> Option<Settlement> {
    let (year, payable) = naive.settle?;
    let rules = &naive.book.rules;
    let collected: i64 = naive.paid.iter().filter(|(of, _)| *of == year).map(|(_, fen)| fen).sum();
    let provincial = collected.min(payable);
    let rest = collected - provincial;
    let mut municipal = rest * rules.municipal_percent / 100;
    let view = naive.view(usize::MAX);
    let mut counties = Vec::new();
    for county in &naive.book.counties {
        let of_year = |month: i32| month.div_euclid(12) == year;
        let sections: Vec<_> = naive
            .book
            .sections
            .iter()
            .filter(|one| one.county == *county && one.is_charged())
            .filter(|one| (year * 12..year * 12 + 12).any(|month| of_year(month) && one.active_in(month)))
            .collect();
        if !sections.is_empty() && sections.iter().all(|one| year_is_met(&view, one, year, naive.slip)) {
            counties.push((county.clone(), i64::try_from(sections.len()).expect("few sections")));
        }
    }
    counties.sort();
    let reward = rest - municipal;
    let rewards = if counties.is_empty() {
        municipal = rest;
        vec![]
    } else {
        shares(naive, reward, &counties)
    };
    Some(Settlement { year, collected, provincial, shortfall: payable - provincial, municipal, rewards })
}

fn shares(naive: &Naive<'_>, reward: i64, counties: &[(String, i64)]) -> Vec<(String, i64)> {
    let by_sections = naive.book.rules.reward_by_sections;
    let weight = |sections: i64| if by_sections { sections } else { 1 };
    let all: i64 = counties.iter().map(|(_, sections)| weight(*sections)).sum();
    let mut shared = Vec::new();
    for (county, sections) in counties {
        let exact = BigRational::new(BigInt::from(reward) * BigInt::from(weight(*sections)), BigInt::from(all));
        let floor = exact.floor();
        shared.push((county.clone(), floor.to_integer().to_i64().expect("a share of an i64"), &exact - floor));
    }
    let mut left = reward - shared.iter().map(|one| one.1).sum::<i64>();
    let mut order: Vec<usize> = (0..shared.len()).collect();
    // Stable: ties stay in the order of ids.
    order.sort_by(|a, b| shared[*b].2.cmp(&shared[*a].2));
    for index in order {
        if left > 0 && naive.slip != Slip::RemainderKept {
            shared[index].1 += 1;
            left -= 1;
        }
    }
    shared.into_iter().map(|(county, fen, _)| (county, fen)).collect()
}
