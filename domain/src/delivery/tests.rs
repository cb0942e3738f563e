//! R10: what is sent again, what is not, and what a person decides.

use super::*;
use crate::ids::NoticeId;
use crate::notice::NoticeKind;

fn queued() -> Mail {
    let message = Message {
        notice: NoticeId::derived(uuid::Uuid::nil(), "n"),
        kind: NoticeKind::WarningNotice,
        reminder: false,
        county: "c".parse().expect("valid"),
        period: None,
        message_id: "<m@bishui>".to_owned(),
        to: vec!["a@x".to_owned(), "b@x".to_owned()],
        subject: "s".to_owned(),
        text: "t".to_owned(),
    };
    Mail::evolve(None, &MailEvent::MailQueued { message, parts: 0 }).expect("queued")
}

fn after(mail: Mail, events: Result<Vec<MailEvent>, Refusal>) -> Mail {
    let events = events.expect("possible");
    events.iter().fold(mail, |mail, event| Mail::evolve(Some(mail), event).expect("a mail"))
}

fn tried(mail: &Mail, outcomes: &[(&str, Outcome)]) -> Mail {
    let mail = after(mail.clone(), mail.start());
    let outcome = |(address, outcome): &(&str, Outcome)| RecipientOutcome {
        address: (*address).to_owned(),
        outcome: outcome.clone(),
    };
    let outcomes = outcomes.iter().map(outcome).collect();
    after(mail.clone(), mail.end(outcomes, Timestamp::UNIX_EPOCH))
}

fn accepted() -> Outcome {
    Outcome::Accepted { reply: "250".to_owned() }
}

fn deferred() -> Outcome {
    Outcome::Deferred { reply: "451".to_owned() }
}

#[test]
fn one_bad_recipient_does_not_stop_the_other() {
    let mail = tried(&queued(), &[("a@x", Outcome::Failed { reply: "550".to_owned() }), ("b@x", accepted())]);
    assert!(mail.is_accepted());
    assert_eq!((mail.unsettled(), mail.due_at()), (vec![], None));
    assert_eq!(mail.counts(), BTreeMap::from([("accepted", 1), ("failed", 1)]));
}

#[test]
fn only_the_deferred_recipient_is_tried_again_at_its_time() {
    let mail = tried(&queued(), &[("a@x", accepted()), ("b@x", deferred())]);
    assert_eq!((mail.unsettled(), mail.due_at()), (vec!["b@x".to_owned()], Some(Timestamp::UNIX_EPOCH)));
}

#[test]
fn after_the_last_attempt_a_deferred_recipient_has_failed_until_a_person_tries_again() {
    let mut mail = queued();
    for _ in 0..ATTEMPTS_MAX {
        assert!(mail.due_at().is_some());
        mail = tried(&mail, &[("a@x", deferred()), ("b@x", deferred())]);
    }
    assert_eq!(mail.counts(), BTreeMap::from([("failed", 2)]));
    let again = after(mail.clone(), mail.retry());
    assert_eq!(again.unsettled().len(), 2);
}

#[test]
fn an_attempt_cut_short_is_unknown_unless_repeating_it_is_harmless() {
    let begun = after(queued(), queued().start());
    let unknown = after(begun.clone(), Ok(begun.recover(false)));
    assert_eq!((unknown.counts(), unknown.unsettled()), (BTreeMap::from([("unknown", 2)]), vec![]));
    let repeated = after(begun.clone(), Ok(begun.recover(true)));
    assert_eq!(repeated.unsettled().len(), 2);
    assert_eq!(queued().recover(false), []);
}

#[test]
fn an_unknown_outcome_is_settled_by_a_person_only() {
    let begun = after(queued(), queued().start());
    let unknown = after(begun.clone(), Ok(begun.recover(false)));
    assert!(matches!(unknown.retry(), Err(Refusal::MailNotReady { act: "retried", .. })));
    assert!(after(unknown.clone(), unknown.resolve(true, "phoned".to_owned())).is_accepted());
    assert_eq!(after(unknown.clone(), unknown.resolve(false, "phoned".to_owned())).unsettled().len(), 2);
}

#[test]
fn acts_without_their_state_are_refused() {
    let mail = queued();
    assert!(matches!(mail.retry(), Err(Refusal::MailNotReady { act: "retried", .. })));
    assert!(matches!(mail.resolve(true, String::new()), Err(Refusal::MailNotReady { act: "resolved", .. })));
    assert!(matches!(mail.end(vec![], Timestamp::UNIX_EPOCH), Err(Refusal::MailNotReady { act: "ended", .. })));
    let begun = after(mail, queued().start());
    assert!(matches!(begun.start(), Err(Refusal::MailNotReady { act: "sent", .. })));
}

#[test]
fn a_cancelled_mail_is_not_sent() {
    let cancelled = after(queued(), Ok(queued().cancel("withdrawn")));
    assert_eq!((cancelled.due_at(), cancelled.counts()), (None, BTreeMap::from([("cancelled", 2)])));
}
