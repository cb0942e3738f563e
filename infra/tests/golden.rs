//! Golden events: what was stored once can be read for ever, and is written in the same form.
//!
//! A file is added for every event type and version and never changed; `SHA256SUMS` holds what they were. With
//! `BISHUI_GOLDEN=add` the test writes files that are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bishui_domain::compensation::CompensationEvent;
use bishui_domain::consumer::ConsumerEvent;
use bishui_domain::county::CountyEvent;
use bishui_domain::delivery::MailEvent;
use bishui_domain::escalation::accountability_proposal::ProposalEvent;
use bishui_domain::escalation::interview::InterviewEvent;
use bishui_domain::escalation::warning_notice::WarningEvent;
use bishui_domain::event::Event;
use bishui_domain::notice::{NoticeEvent, NumberingEvent};
use bishui_domain::plan::book::PlanEvent;
use bishui_domain::readings::ReadingsEvent;
use bishui_domain::round::{RoundEvent, SectionEvent};
use bishui_domain::settlement::SettlementEvent;
use bishui_infra::codec::{decode, encode};
use bishui_infra::event_log::{NewEvent, Recorded};
use sha2::{Digest, Sha256};

#[path = "golden/examples.rs"]
mod examples;

/// The stored type of every event, by a match without a wildcard: an event added to the domain does not compile here
/// until it is named, and once named it needs an example and a file.
macro_rules! stored_types {
    ($($pattern:pat => $name:literal,)*) => {
        const STORED_TYPES: &[&str] = &[$($name),*];

        fn stored_type(event: &Event) -> &'static str {
            use {CompensationEvent as Money, CountyEvent as County, InterviewEvent as Interview, MailEvent as Mail};
            use {NoticeEvent as Notice, NumberingEvent as Number, PlanEvent as Plan, ProposalEvent as Proposal};
            use {ReadingsEvent as Readings, RoundEvent as Round, SectionEvent as Section};
            use {SettlementEvent as Settle, WarningEvent as Warning};
            match event { $($pattern => $name,)* }
        }
    };
}

stored_types! {
    Event::Plan(Plan::PlanAdopted { .. }) => "plan.plan_adopted",
    Event::Plan(Plan::PlanAmended { .. }) => "plan.plan_amended",
    Event::Plan(Plan::EntriesListed(_)) => "plan.entries_listed",
    Event::Plan(Plan::TargetCorrected { .. }) => "plan.target_corrected",
    Event::Readings(Readings::ReadingsRecorded { .. }) => "readings.readings_recorded",
    Event::Readings(Readings::ReadingsRevised { .. }) => "readings.readings_revised",
    Event::Section(Section::SectionDeclared { .. }) => "section.section_declared",
    Event::Section(Section::DeclarationWithdrawn { .. }) => "section.declaration_withdrawn",
    Event::Section(Section::SectionAssessed(_)) => "section.section_assessed",
    Event::Section(Section::AssessmentCorrected(_)) => "section.assessment_corrected",
    Event::Round(Round::RoundPublished { .. }) => "round.round_published",
    Event::Round(Round::RoundCorrected { .. }) => "round.round_corrected",
    Event::County(County::RoundJudged { .. }) => "county.round_judged",
    Event::County(County::RoundRejudged { .. }) => "county.round_rejudged",
    Event::County(County::InterviewScheduled { .. }) => "county.interview_scheduled",
    Event::County(County::InterviewHeld { .. }) => "county.interview_held",
    Event::County(County::MinutesRecorded { .. }) => "county.minutes_recorded",
    Event::County(County::ImpactDetermined { .. }) => "county.impact_determined",
    Event::County(County::Warning(Warning::WarningNoticeRaised { .. })) => "county.warning_notice_raised",
    Event::County(County::Warning(Warning::WarningNoticeSupplemented { .. })) => "county.warning_notice_supplemented",
    Event::County(County::Warning(Warning::WarningNoticeWithdrawn { .. })) => "county.warning_notice_withdrawn",
    Event::County(County::Warning(Warning::SectionsListed { .. })) => "county.sections_listed",
    Event::County(County::Interview(Interview::InterviewRequired { .. })) => "county.interview_required",
    Event::County(County::Interview(Interview::InterviewGroundsChanged { .. })) => "county.interview_grounds_changed",
    Event::County(County::Interview(Interview::GroundsListed { .. })) => "county.grounds_listed",
    Event::County(County::Interview(Interview::InterviewCancelled { .. })) => "county.interview_cancelled",
    Event::County(County::Interview(Interview::InterviewSuperseded { .. })) => "county.interview_superseded",
    Event::County(County::Interview(Interview::MeetingReassigned { .. })) => "county.meeting_reassigned",
    Event::County(County::Proposal(Proposal::ProposalDrafted { .. })) => "county.proposal_drafted",
    Event::County(County::Proposal(Proposal::ProposalMeetingsChanged { .. })) => "county.proposal_meetings_changed",
    Event::County(County::Proposal(Proposal::ProposalIssued { .. })) => "county.proposal_issued",
    Event::County(County::Proposal(Proposal::ProposalWithdrawn { .. })) => "county.proposal_withdrawn",
    Event::Compensation(Money::Charged { .. }) => "compensation.charged",
    Event::Compensation(Money::ChargeReversed { .. }) => "compensation.charge_reversed",
    Event::Compensation(Money::SectionsListed { .. }) => "compensation.sections_listed",
    Event::Compensation(Money::PaymentReceived { .. }) => "compensation.payment_received",
    Event::Settlement(Settle::SettlementOrdered { .. }) => "settlement.settlement_ordered",
    Event::Settlement(Settle::SettlementMade { .. }) => "settlement.settlement_made",
    Event::Settlement(Settle::RewardsListed { .. }) => "settlement.rewards_listed",
    Event::Notice(Notice::NoticeDrafted { .. }) => "notice.notice_drafted",
    Event::Notice(Notice::SectionsListed { .. }) => "notice.sections_listed",
    Event::Notice(Notice::GroundsListed { .. }) => "notice.grounds_listed",
    Event::Notice(Notice::NoticeApproved { .. }) => "notice.notice_approved",
    Event::Notice(Notice::NoticeSent { .. }) => "notice.notice_sent",
    Event::Notice(Notice::DutySet { .. }) => "notice.duty_set",
    Event::Notice(Notice::NoticeAcknowledged { .. }) => "notice.notice_acknowledged",
    Event::Notice(Notice::ReportReceived { .. }) => "notice.report_received",
    Event::Notice(Notice::ReminderDue { .. }) => "notice.reminder_due",
    Event::Notice(Notice::NoticeClosed { .. }) => "notice.notice_closed",
    Event::Notice(Notice::NoticeWithdrawn { .. }) => "notice.notice_withdrawn",
    Event::Numbering(Number::NumberAssigned { .. }) => "numbering.number_assigned",
    Event::Numbering(Number::NumberVoided { .. }) => "numbering.number_voided",
    Event::Mail(Mail::MailQueued { .. }) => "mail.mail_queued",
    Event::Mail(Mail::TextContinued { .. }) => "mail.text_continued",
    Event::Mail(Mail::AttemptStarted { .. }) => "mail.attempt_started",
    Event::Mail(Mail::AttemptEnded { .. }) => "mail.attempt_ended",
    Event::Mail(Mail::OutcomeResolved { .. }) => "mail.outcome_resolved",
    Event::Mail(Mail::RetryRequested { .. }) => "mail.retry_requested",
    Event::Mail(Mail::MailCancelled { .. }) => "mail.mail_cancelled",
    Event::Consumer(ConsumerEvent::ConsumerStopped(_)) => "consumer.consumer_stopped",
    Event::Consumer(ConsumerEvent::RetryRequested { .. }) => "consumer.retry_requested",
    Event::Consumer(ConsumerEvent::EventSkipped(_)) => "consumer.event_skipped",
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn file_of(stored: &NewEvent) -> PathBuf {
    folder().join(format!("{}.v{}.json", stored.kind, stored.schema))
}

fn sum(path: &Path) -> String {
    let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn recorded(stored: &NewEvent, payload: &str) -> Recorded {
    let line = serde_json::json!({
        "position": 1, "stream": "any-1", "version": 1, "id": uuid::Uuid::nil(), "type": stored.kind,
        "schema": stored.schema, "recorded_at": "2020-02-06T02:00:00Z", "actor": "test", "causation": null,
        "correlation": null, "idempotency_key": null, "request": null, "batch": uuid::Uuid::nil(), "place": 0,
        "payload": payload,
    });
    serde_json::from_value(line).expect("a record")
}

#[test]
fn every_event_has_an_example_and_its_stored_type_is_the_one_named() {
    let examples = examples::all();
    let made: BTreeSet<_> = examples.iter().map(stored_type).collect();
    assert_eq!(made, STORED_TYPES.iter().copied().collect());
    for event in &examples {
        assert_eq!(encode(event).kind, stored_type(event));
    }
}

#[test]
fn every_event_is_written_to_and_read_from_exactly_its_file() {
    for event in examples::all() {
        let stored = encode(&event);
        let path = file_of(&stored);
        if std::env::var("BISHUI_GOLDEN").is_ok_and(|word| word == "add") && !path.exists() {
            fs::write(&path, format!("{}\n", stored.payload)).expect("the folder can be written");
        }
        let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let golden = golden.trim_end_matches('\n');
        assert_eq!(stored.payload, golden, "{}: written differently; a new form is a new version", path.display());
        assert_eq!(decode(&recorded(&stored, golden)).unwrap(), event, "{}", path.display());
    }
}

#[test]
fn every_file_of_an_older_version_is_read_as_what_it_meant() {
    let mut older = BTreeSet::new();
    for (kind, schema, event) in examples::older() {
        let stored = NewEvent { kind: kind.to_owned(), schema, payload: String::new() };
        let path = file_of(&stored);
        let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(decode(&recorded(&stored, golden.trim_end_matches('\n'))).unwrap(), event, "{}", path.display());
        older.insert(path);
    }
    let written: BTreeSet<_> = examples::all().iter().map(|event| file_of(&encode(event))).collect();
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    assert_eq!(files, &written | &older, "a file that no example reads");
}

#[test]
fn files_are_added_and_never_changed() {
    let sums = fs::read_to_string(folder().join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<&str, &str> = sums
        .lines()
        .map(|line| line.split_once("  ").expect("a sum and a name"))
        .map(|(sum, name)| (name, sum))
        .collect();
    let mut present = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert_eq!(listed.get(name.as_str()), Some(&sum(&path).as_str()), "{name}: not as listed in SHA256SUMS");
            present.insert(name);
        }
    }
    assert_eq!(present, listed.keys().map(|name| (*name).to_owned()).collect(), "a listed file is gone");
}
