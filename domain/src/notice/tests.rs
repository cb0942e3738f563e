//! R9: every state and act either in the table or refused; deadlines and reminders.

use super::*;
use crate::calendar::WorkCalendar;
use crate::plan::rules::RuleSet;
use crate::refusal::Refusal;

fn drafted(kind: NoticeKind) -> Notice {
    let subject = Subject::Round { period: "2020-01".parse().expect("period"), sections: vec![] };
    let county = "c".parse().expect("valid");
    Notice::evolve(None, &NoticeEvent::NoticeDrafted { kind, county, subject, refers_to: None, parts: 0 })
        .expect("drafted")
}

fn day(text: &str) -> Date {
    text.parse().expect(text)
}

fn calendar() -> WorkCalendar {
    WorkCalendar::new(vec![]).expect("no year published")
}

fn commands() -> Vec<NoticeCommand> {
    let (on, text) = (day("2020-03-02"), || "t".to_owned());
    let number = DocumentNumber { prefix: "聊环".to_owned(), series: Series::Warning, year: 2020, number: 3 };
    let duty = report_after_interview(on, &RuleSet::default(), &calendar());
    vec![
        NoticeCommand::Approve { number },
        NoticeCommand::Send {
            on,
            duties: duties_on_sending(NoticeKind::WarningNotice, on, &RuleSet::default(), &calendar()),
        },
        NoticeCommand::SetDuty { duty },
        NoticeCommand::Acknowledge { on, signed_by: text() },
        NoticeCommand::Answer { on, summary: text(), attachments: vec![] },
        NoticeCommand::Close { note: text() },
        NoticeCommand::Withdraw { reason: text() },
    ]
}

fn after(notice: Notice, command: NoticeCommand) -> Notice {
    let events = decide(&notice, command).expect("possible");
    events.iter().fold(notice, |notice, event| Notice::evolve(Some(notice), event).expect("a notice"))
}

/// The notice after the commands at these places of [`commands`].
fn at(places: &[usize]) -> Notice {
    places.iter().fold(drafted(NoticeKind::WarningNotice), |notice, place| after(notice, commands()[*place].clone()))
}

#[test]
fn every_state_admits_only_the_acts_of_the_table() {
    // Places of approve, send, set duty, acknowledge, answer, close, withdraw.
    let table: [(&[usize], NoticeState, &[usize]); 7] = [
        (&[], NoticeState::Drafted, &[0, 6]),
        (&[0], NoticeState::Approved, &[1, 2, 6]),
        (&[0, 1], NoticeState::Sent, &[1, 2, 3, 4, 5, 6]),
        (&[0, 1, 3], NoticeState::Acknowledged, &[1, 2, 4, 5, 6]),
        (&[0, 1, 4], NoticeState::Answered, &[1, 2, 4, 5, 6]),
        (&[0, 1, 5], NoticeState::Closed, &[]),
        (&[6], NoticeState::Withdrawn, &[1]),
    ];
    for (path, state, admitted) in table {
        let notice = at(path);
        assert_eq!(notice.state, state);
        for (place, command) in commands().into_iter().enumerate() {
            let outcome = decide(&notice, command.clone());
            assert_eq!(outcome.is_ok(), admitted.contains(&place), "{command:?} on {state}");
            if let Err(refusal) = outcome {
                assert_eq!(refusal, Refusal::NoticeNotReady { act: command.name(), state: state.into() });
            }
        }
    }
}

#[test]
fn a_notice_already_sent_is_not_sent_again() {
    assert_eq!(decide(&at(&[0, 1]), commands()[1].clone()), Ok(vec![]));
}

#[test]
fn numbers_have_no_gap_and_a_void_one_is_not_given_again() {
    let notice = NoticeId::derived(uuid::Uuid::nil(), "n");
    let numbering = Numbering::default().evolve(&NumberingEvent::NumberAssigned { number: 1, notice });
    let voided = numbering.evolve(&NumberingEvent::NumberVoided { number: 1, notice, reason: "r".to_owned() });
    assert_eq!(voided.next(), 2);
    let number = DocumentNumber { prefix: "聊环".to_owned(), series: Series::Warning, year: 2020, number: 3 };
    assert_eq!(number.to_string(), "聊环预警〔2020〕3号");
}

#[test]
fn reminders_fire_around_an_open_deadline_once_in_order() {
    let sent = at(&[0, 1]);
    // Sent on Monday 2 March: acknowledgement due on 5 March, report due on 23 March.
    assert_eq!(sent.next_reminder(), Some(day("2020-03-04")));
    assert_eq!(sent.due_reminders(day("2020-03-03")), []);
    let due = sent.due_reminders(day("2020-03-06"));
    let offsets: Vec<_> =
        due.iter().map(|event| matches!(event, NoticeEvent::ReminderDue { offset: -1, .. })).collect();
    assert_eq!(offsets, [true, false]);
    let reminded = due.iter().fold(sent, |notice, event| Notice::evolve(Some(notice), event).expect("a notice"));
    assert_eq!(reminded.due_reminders(day("2020-03-06")), []);
    assert_eq!(after(reminded, commands()[4].clone()).due_reminders(day("2020-12-31")), []);
}

#[test]
fn the_report_after_an_interview_is_due_in_calendar_days_moved_to_a_working_day() {
    let duty = report_after_interview(day("2020-03-06"), &RuleSet::default(), &calendar());
    assert_eq!(duty.deadline.due_on, day("2020-04-06"));
    assert!(duty.deadline.provisional);
}
