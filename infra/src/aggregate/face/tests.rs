//! The faces, given and when and then.

use bishui_domain::delivery::Outcome;
use bishui_domain::notice::{NoticeKind, Subject};
use bishui_domain::plan::book::TargetCorrection;
use bishui_domain::standard::Target;
use cqrs_es::test::TestFramework;
use jiff::civil::date;
use uuid::Uuid;

use super::*;

fn drafted() -> Faced<NoticeEvent> {
    Faced(NoticeEvent::NoticeDrafted {
        kind: NoticeKind::AccountabilityProposal,
        county: "gaotang".parse().unwrap(),
        subject: Subject::Proposal { year: 2020, held_on: vec![], grounds: vec![], basis: None },
        refers_to: None,
        parts: 0,
    })
}

fn message() -> Message {
    Message {
        notice: bishui_domain::ids::NoticeId(Uuid::nil()),
        kind: NoticeKind::AccountabilityProposal,
        reminder: false,
        county: "gaotang".parse().unwrap(),
        period: None,
        message_id: "<1@bishui.example>".to_owned(),
        to: vec!["a@gaotang.example".to_owned()],
        subject: "问责建议".to_owned(),
        text: "正文".to_owned(),
    }
}

fn started() -> Faced<MailEvent> {
    Faced(MailEvent::AttemptStarted { attempt: 1, recipients: message().to })
}

#[test]
fn a_sent_notice_is_acknowledged() {
    let on = date(2020, 4, 15);
    let signed_by = "王主任".to_owned();
    TestFramework::<Face<Notices>>::with(())
        .given(vec![drafted(), Faced(NoticeEvent::NoticeSent { on: date(2020, 4, 14), duties: vec![] })])
        .when(NoticeCommand::Acknowledge { on, signed_by: signed_by.clone() })
        .then_expect_events(vec![Faced(NoticeEvent::NoticeAcknowledged { on, signed_by })]);
}

#[test]
fn what_was_not_drafted_or_not_sent_is_not_acknowledged() {
    let acknowledge = || NoticeCommand::Acknowledge { on: date(2020, 4, 15), signed_by: "王主任".to_owned() };
    TestFramework::<Face<Notices>>::with(())
        .given_no_previous_events()
        .when(acknowledge())
        .then_expect_error(Refusal::UnknownNotice { notice: "of this id".to_owned() });
    let refused = TestFramework::<Face<Notices>>::with(()).given(vec![drafted()]).when(acknowledge()).inspect_result();
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn an_attempt_cut_short_is_unknown_until_resolved() {
    let given = vec![Faced(MailEvent::MailQueued { message: message(), parts: 0 }), started()];
    let events = TestFramework::<Face<Mails>>::with(())
        .given(given.clone())
        .when(MailCommand::Recover { repeatable: false })
        .inspect_result()
        .unwrap();
    let [Faced(MailEvent::AttemptEnded { outcomes, .. })] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(outcomes[0].outcome, Outcome::Unknown { .. }), "{outcomes:?}");
    let (recipients, basis) = (message().to, "所询".to_owned());
    TestFramework::<Face<Mails>>::with(())
        .given(given)
        .and(events)
        .when(MailCommand::Resolve { arrived: true, basis: basis.clone() })
        .then_expect_events(vec![Faced(MailEvent::OutcomeResolved { recipients, arrived: true, basis })]);
}

#[test]
fn a_queued_message_is_queued_once() {
    let queued = Faced(MailEvent::MailQueued { message: message(), parts: 0 });
    TestFramework::<Face<Mails>>::with(())
        .given_no_previous_events()
        .when(MailCommand::Queue(message()))
        .then_expect_events(vec![queued.clone()]);
    TestFramework::<Face<Mails>>::with(())
        .given(vec![queued])
        .when(MailCommand::Queue(message()))
        .then_expect_events(vec![]);
}

#[test]
fn a_target_of_an_unknown_section_is_not_corrected() {
    let section: bishui_domain::ids::SectionId = "nowhere".parse().unwrap();
    let correction = TargetCorrection { section, from: "2020-01".parse().unwrap(), until: None, target: target("III") };
    TestFramework::<Face<Plans>>::with(())
        .given_no_previous_events()
        .when(PlanCommand::CorrectTarget { correction, reason: "错录".to_owned() })
        .then_expect_error(Refusal::UnknownSection { section: "nowhere".to_owned() });
}

fn target(text: &str) -> Target {
    serde_json::from_value(text.into()).unwrap()
}

#[test]
fn types_and_versions_are_those_of_the_codec() {
    assert_eq!((drafted().event_type(), drafted().event_version()), ("notice.notice_drafted".into(), "1".into()));
    assert_eq!(started().event_type(), "mail.attempt_started");
}
