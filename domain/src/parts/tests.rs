//! Lists and texts of any length: no event outgrows the log's bound, and nothing is lost or changed by the division.

use proptest::prelude::*;
use serde::Serialize;
use strum::IntoEnumIterator;

use super::*;
use crate::assessment::UnmetIndicator;
use crate::compensation::{self, Compensation};
use crate::county::{County, CountyEvent, RoundRules};
use crate::delivery::{self, Mail, Message};
use crate::escalation;
use crate::escalation::tests::{V, verdict};
use crate::event::Event;
use crate::ids::{NoticeId, SectionId};
use crate::indicator::Indicator;
use crate::money::Fen;
use crate::notice::{self, Notice, NoticeKind, Subject};
use crate::period::Period;
use crate::plan::rules::{Reward, RuleSet};
use crate::settlement::{SettlementBasis, SettlementFile};
use crate::standard::WaterClass;
use crate::verdict::SectionVerdict;

/// The log's bound of one payload.
const PAYLOAD_MAX: usize = 1 << 20;

/// A section with an id of the longest kind.
fn section(number: usize) -> SectionId {
    format!("{}{number:04}", "𣲗".repeat(60)).parse().expect("an id")
}

/// A section that misses every limit by as much as can be written.
fn unmet(number: usize) -> SectionVerdict {
    let digits = "9".repeat(29);
    let indicator = |indicator| UnmetIndicator {
        indicator,
        value: digits.parse().expect("a number"),
        limit: digits.clone(),
        multiple: Some(format!("{digits}.00")),
        class: WaterClass::InferiorV,
    };
    let unmet = Indicator::iter().map(indicator).collect();
    SectionVerdict { section: section(number), unmet, ..verdict("s", V::Unmet) }
}

fn month(number: u8) -> Period {
    format!("2020-{number:02}").parse().expect("a month")
}

/// A month of a county in which all these sections are unmet, in as many events as it takes.
fn judged(month: Period, sections: usize, unmet: impl Fn(usize) -> SectionVerdict) -> Vec<CountyEvent> {
    let divided = divide((0..sections).map(unmet).collect());
    let (rules, parts) = (RoundRules::of(&RuleSet::default()), count(divided.len()));
    let part =
        |(part, verdicts)| CountyEvent::RoundJudged { period: month, rules: rules.clone(), part, parts, verdicts };
    (1..).zip(divided).map(part).collect()
}

/// Two months of a county in which all these sections are unmet.
fn county(sections: usize, unmet: impl Fn(usize) -> SectionVerdict + Copy) -> County {
    let months = [month(1), month(2)].into_iter().flat_map(|month| judged(month, sections, unmet));
    months.fold(County::default(), |county, event| county.evolve(&event))
}

/// The decisions of these events, each with its parts; none of them outgrows the log's bound.
fn joined<E: InParts + Serialize + Clone>(events: &[E]) -> Vec<E> {
    let mut whole: Vec<E> = Vec::new();
    for event in events {
        assert!(serde_json::to_string(event).expect("JSON").len() < PAYLOAD_MAX);
        let left = match whole.last_mut() {
            Some(before) => before.join(event.clone()).err(),
            None => Some(event.clone()),
        };
        whole.extend(left);
    }
    assert!(whole.iter().all(|event| event.parts() == 0), "every part that was announced is there");
    whole
}

#[test]
fn what_escalation_says_of_thousands_of_sections_is_divided_and_stands_as_a_whole() {
    let county = county(600, unmet);
    let decided = escalation::decide(&county);
    assert!(decided.len() > 6, "warnings and the interview in parts");
    let too_large = |event| serde_json::to_string(&event).expect("JSON").len() > PAYLOAD_MAX;
    let whole: Vec<_> = joined(&decided).into_iter().map(too_large).collect();
    assert_eq!(whole, [true, true, false], "two warnings that no event could hold, and an interview");
    let recorded = decided.iter().fold(county, County::evolve);
    let sections = |period| recorded.warnings.by_round[&period].len();
    assert_eq!([sections(month(1)), sections(month(2))], [600, 600]);
    assert_eq!(escalation::decide(&recorded), vec![], "nothing is left to say");
    let again = joined(&decided).iter().fold(recorded.clone(), County::evolve);
    assert_eq!(again, recorded, "divided or not, it says the same");
}

#[test]
fn the_grounds_of_an_interview_are_divided_and_changed_as_a_whole() {
    let short = |number| SectionVerdict { section: section(number), ..verdict("s", V::Unmet) };
    let given = county(5_000, short);
    let given = escalation::decide(&given).iter().fold(given, County::evolve);
    assert_eq!(given.interviews.raised[&month(2)].grounds.len(), 5_000);
    let met = vec![SectionVerdict { section: section(7), ..verdict("s", V::Met) }];
    let revised = given.evolve(&CountyEvent::RoundRejudged { period: month(2), reason: "r".to_owned(), verdicts: met });
    let decided = escalation::decide(&revised);
    assert_eq!(joined(&decided).len(), 2, "the warning is supplemented, the grounds are changed");
    let after = decided.iter().fold(revised, County::evolve);
    assert_eq!(after.interviews.raised[&month(2)].grounds.len(), 4_999);
    assert_eq!(escalation::decide(&after), vec![]);
}

#[test]
fn a_charge_and_its_reversal_name_every_section() {
    let short = |number| SectionVerdict { section: section(number), ..verdict("s", V::Unmet) };
    let given = county(5_000, short);
    let charged = compensation::decide(&given, &Compensation::default());
    assert_eq!(joined(&charged).len(), 2);
    let account = charged.iter().fold(Compensation::default(), Compensation::evolve);
    assert_eq!(account.charged(2020), Fen(2 * 5_000 * 40_000_000));
    assert_eq!(account.charges.values().map(|charge| charge.sections.len()).collect::<Vec<_>>(), [5_000, 5_000]);
    assert_eq!(compensation::decide(&given, &account), vec![]);

    let met = vec![SectionVerdict { section: section(7), ..verdict("s", V::Met) }];
    let revised = given.evolve(&CountyEvent::RoundRejudged { period: month(2), reason: "r".to_owned(), verdicts: met });
    let corrected = compensation::decide(&revised, &account);
    assert_eq!(joined(&corrected).len(), 2);
    let movements = charged.iter().chain(&corrected).filter_map(compensation::entry);
    assert_eq!(movements.count(), 4, "a part moves no money");
    let account = corrected.iter().fold(account, Compensation::evolve);
    assert_eq!(account.charged(2020), Fen((5_000 + 4_999) * 40_000_000));
    assert_eq!(compensation::decide(&revised, &account), vec![]);
}

#[test]
fn a_settlement_names_every_rewarded_county() {
    let county = |number: usize| (format!("{}{number:04}", "𣲗".repeat(60)).parse().expect("an id"), 1);
    let basis = SettlementBasis {
        year: 2020,
        collected: Fen(9_000_000),
        municipal_share: "0.3".parse().expect("a share"),
        reward: Reward::Equal,
        rewarded: (0..5_000).map(county).collect(),
    };
    let file = SettlementFile::default();
    let ordered = file.order(2020, Fen(0)).expect("accepted").iter().fold(file, SettlementFile::evolve);
    let made = ordered.decide(&basis);
    assert_eq!(joined(&made).len(), 1);
    let settled = made.iter().fold(ordered, SettlementFile::evolve);
    assert_eq!(settled.made.as_ref().map(|made| made.rewards.len()), Some(5_000));
    assert_eq!(settled.decide(&basis), vec![]);
}

#[test]
fn a_notice_says_everything_that_its_draft_was_given() {
    let grounds = escalation::tests::grounds(&escalation::decide(&county(5_000, |number| SectionVerdict {
        section: section(number),
        ..verdict("s", V::Unmet)
    })));
    let (year, held_on, basis) = (2020, vec![], None);
    for (kind, subject) in [
        (NoticeKind::WarningNotice, Subject::Round { period: month(1), sections: (0..600).map(unmet).collect() }),
        (NoticeKind::InterviewNotice, Subject::Interview { raised_by: month(2), grounds: grounds.clone() }),
        (NoticeKind::AccountabilityProposal, Subject::Proposal { year, held_on, grounds, basis }),
    ] {
        let drafted = notice::draft(kind, &"c".parse().expect("an id"), subject.clone(), None);
        assert!(drafted.len() > 1);
        assert_eq!(joined(&drafted).len(), 1);
        let notice = drafted.iter().fold(None, Notice::evolve).expect("drafted");
        assert!(notice.subject == subject, "{kind} says something else");
    }
}

fn message(text: &str) -> Message {
    Message {
        notice: NoticeId(uuid::Uuid::nil()),
        kind: NoticeKind::WarningNotice,
        reminder: false,
        county: "c".parse().expect("an id"),
        period: None,
        message_id: "<1@example>".to_owned(),
        to: vec![],
        subject: "预警".to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn a_letter_of_any_length_is_queued_in_parts_that_end_with_a_line() {
    let text = "断面未达标。\n".repeat(100_000);
    let queued = delivery::queue(message(&text));
    assert!(queued.len() > 1);
    for event in &queued {
        let json = serde_json::to_value(event).expect("JSON");
        let part = json.pointer("/mail_queued/text").or(json.pointer("/text_continued/text"));
        assert!(part.and_then(|text| text.as_str()).expect("a text").ends_with('\n'));
    }
    assert_eq!(joined(&queued).len(), 1);
    let mail = queued.iter().fold(None, Mail::evolve).expect("queued");
    assert_eq!(mail.message, message(&text));
}

#[test]
fn a_part_joins_only_what_it_belongs_to() {
    let long = message(&"\u{1}".repeat(WEIGHT_MAX));
    let queued: Vec<Event> = delivery::queue(long).into_iter().map(Event::from).collect();
    let [first, second, third, ..] = &queued[..] else { panic!("a line without an end is cut") };
    let mut whole = Event::from(delivery::queue(message("short")).remove(0));
    assert_eq!(whole.join(second.clone()), Err(second.clone()), "nothing follows an undivided event");
    let mut part = second.clone();
    assert_eq!(part.join(third.clone()), Err(third.clone()), "a part has none of its own");
    let mut arriving = first.clone();
    let other = Event::from(judged(month(1), 1, unmet).remove(0));
    assert_eq!(arriving.join(other.clone()), Err(other), "another family");
    assert_eq!(arriving.join(second.clone()), Ok(()));
    assert_eq!(arriving.parts() + 1, first.parts());
}

/// Texts around the bounds: many short lines, or lines that are cut.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![Just("断面\n"), Just("\"\\"), Just("\u{1}"), Just("a"), Just("\n")];
    let run = (piece, 1..WEIGHT_MAX).prop_map(|(piece, times)| piece.repeat(times));
    proptest::collection::vec(run, 0..4).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_divided_text_is_put_together_as_it_was(text in texts()) {
        let parts = divide_text(&text);
        prop_assert_eq!(parts.concat(), text);
        for part in parts {
            prop_assert!(serde_json::to_string(&part).expect("JSON").len() <= WEIGHT_MAX + 2);
        }
    }
}
