//! One example of every event, rich enough that every field of its stored form appears.

use std::collections::BTreeMap;

use bishui_domain::assessment::{Assessment, IndicatorResult, Reason, UnmetIndicator, Verdict};
use bishui_domain::attachment::Attachment;
use bishui_domain::calendar::{CountRule, Counted, DayKind, Deadline, Stretch};
use bishui_domain::compensation::{Charge, CompensationEvent};
use bishui_domain::consumer::{ConsumerEvent, Skip, Stop};
use bishui_domain::county::{CountyEvent, RoundRules};
use bishui_domain::delivery::{MailEvent, Message, Outcome, RecipientOutcome};
use bishui_domain::escalation::accountability_proposal::ProposalEvent;
use bishui_domain::escalation::interview::{Ground, InterviewEvent};
use bishui_domain::escalation::warning_notice::WarningEvent;
use bishui_domain::event::Event;
use bishui_domain::ids::NoticeId;
use bishui_domain::indicator::Indicator;
use bishui_domain::money::Fen;
use bishui_domain::monthly::Basis;
use bishui_domain::notice::{
    DocumentNumber, Duty, DutyDeadline, NoticeEvent, NoticeKind, NumberingEvent, Series, Subject,
};
use bishui_domain::period::{Cadence, Period};
use bishui_domain::plan::book::{PlanEvent, RevisionNumber, TargetCorrection};
use bishui_domain::plan::parts::Entries;
use bishui_domain::plan::rules::Impact;
use bishui_domain::plan::{Plan, SectionKind};
use bishui_domain::reading::{Reading, ReadingKey, Source, Status};
use bishui_domain::readings::{Content, ReadingChange, ReadingsEvent};
use bishui_domain::round::{Judged, RoundEvent, SectionEvent};
use bishui_domain::settlement::{Settlement, SettlementEvent};
use bishui_domain::sha256::Sha256;
use bishui_domain::standard::{Target, WaterClass};
use bishui_domain::verdict::SectionVerdict;
use jiff::civil::{Date, date};
use uuid::Uuid;

const PLAN: &str = r#"
[plan]
id = "liaocheng-2020"
municipality = "聊城市"
year = 2020
time_zone = "Asia/Shanghai"

[[county]]
id = "gaotang"
name = "高唐县"
kind = "county"
emails = ["office@gaotang.example"]

[[section]]
id = "beihu"
name = "高唐北湖"
water = "高唐湖"
kind = "lake"
county = "gaotang"
level = "national"
target = "III"
from = "2020-01"
until = "2020-12"
"#;

fn read<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a sound text of an example")
}

fn day() -> Date {
    date(2020, 4, 10)
}

fn month() -> Period {
    read("2020-02")
}

fn plan() -> Plan {
    toml::from_str(PLAN).expect("the plan of an example")
}

/// A divided plan: the first event has the counties, the second the sections and tasks.
fn first_part() -> Plan {
    Plan { section: vec![], task: vec![], ..plan() }
}

fn second_part() -> Entries {
    Entries { county: vec![], section: plan().section, task: plan().task }
}

fn amended(plan: Plan, parts: u32) -> PlanEvent {
    PlanEvent::PlanAmended { effective_from: read("2020-07"), reason: "调整".to_owned(), plan, parts }
}

fn verdicts() -> Vec<SectionVerdict> {
    vec![SectionVerdict::of(read("beihu"), SectionKind::Lake, &judged().assessment)]
}

fn judged() -> Judged {
    let unmet = UnmetIndicator {
        indicator: Indicator::Nh3n,
        value: read("1.12"),
        limit: "1.0".to_owned(),
        multiple: Some("0.12".to_owned()),
        class: WaterClass::IV,
    };
    let indicator = IndicatorResult {
        indicator: Indicator::Nh3n,
        value: read("1.12"),
        below: None,
        class: Some(WaterClass::IV),
        undecidable: false,
        basis: Basis::Manual { source: Source::National, samples: 2 },
        left_out: BTreeMap::new(),
    };
    let assessment = Assessment {
        verdict: Verdict::Unmet,
        class: Some(WaterClass::IV),
        target: Target::III,
        evaluated: 5,
        unmet: vec![unmet],
        undecidable: vec![Indicator::Phenol],
        missing: vec![],
        indicators: vec![indicator],
        without_value: BTreeMap::new(),
    };
    Judged { period: month(), revision: RevisionNumber(0), readings: vec![(read("2020-02"), 3)], assessment }
}

fn grounds() -> Vec<Ground> {
    vec![Ground { cadence: Cadence::Month, periods: vec![read("2020-01"), month()], section: read("beihu") }]
}

fn notice(number: u128) -> NoticeId {
    NoticeId(Uuid::from_u128(number))
}

fn plan_and_readings() -> Vec<Event> {
    let key = ReadingKey { at: date(2020, 2, 5).at(8, 0, 0, 0), source: Source::National, indicator: Indicator::Nh3n };
    let correction =
        TargetCorrection { section: read("beihu"), from: read("2020-02"), until: None, target: Target::IV };
    let reading = Reading { key, value: read::<Written>("0.05L").0, status: Status::Normal };
    let before = Content { value: read::<Written>("1.12").0, status: Status::OutOfUse("维护".to_owned()) };
    let after = Content { value: read::<Written>("1.02").0, status: Status::Normal };
    vec![
        PlanEvent::PlanAdopted { effective_from: read("2020-01"), plan: plan(), parts: 0 }.into(),
        PlanEvent::PlanAdopted { effective_from: read("2020-01"), plan: first_part(), parts: 1 }.into(),
        PlanEvent::EntriesListed(second_part()).into(),
        amended(plan(), 0).into(),
        amended(first_part(), 1).into(),
        PlanEvent::TargetCorrected { correction, reason: "笔误".to_owned() }.into(),
        ReadingsEvent::ReadingsRecorded { readings: vec![reading] }.into(),
        ReadingsEvent::ReadingsRevised {
            changes: vec![ReadingChange { key, before: Some(before), after: Some(after) }],
            reason: "复核".to_owned(),
            evidence: Some("report 7".to_owned()),
        }
        .into(),
    ]
}

/// An amount as it is written in a file.
struct Written(bishui_domain::reading::Amount);

impl std::str::FromStr for Written {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let amount = bishui_domain::reading::Amount::parse(text).map_err(|error| error.to_string())?;
        amount.map(Self).ok_or_else(|| "no amount".to_owned())
    }
}

fn sections_and_rounds() -> Vec<Event> {
    vec![
        SectionEvent::SectionDeclared { period: month(), reason: Reason::Dry }.into(),
        SectionEvent::DeclarationWithdrawn { period: month(), reason: "有水".to_owned() }.into(),
        SectionEvent::SectionAssessed(judged()).into(),
        SectionEvent::AssessmentCorrected(judged()).into(),
        RoundEvent::RoundPublished {
            period: month(),
            revision: RevisionNumber(0),
            declare_rest: Some(Reason::NoData),
            met: 1,
            unmet: 2,
            unassessed: 3,
        }
        .into(),
        RoundEvent::RoundCorrected { period: month(), reason: "复核".to_owned(), sections: vec![read("beihu")] }.into(),
    ]
}

fn county_facts() -> Vec<CountyEvent> {
    let raised_by = month();
    vec![
        CountyEvent::RoundJudged {
            period: month(),
            rules: RoundRules::of(&plan().rules),
            part: 1,
            parts: 1,
            verdicts: verdicts(),
        },
        CountyEvent::RoundRejudged { period: month(), reason: "复核".to_owned(), verdicts: verdicts() },
        CountyEvent::InterviewScheduled { raised_by, on: day(), place: "市政府".to_owned() },
        CountyEvent::InterviewHeld {
            raised_by,
            held_on: day(),
            attended: vec!["王某".to_owned()],
            interviews_per_year: 2,
            impact: Impact::Determination,
        },
        CountyEvent::MinutesRecorded { raised_by, minutes: "整改".to_owned() },
        CountyEvent::ImpactDetermined { year: 2020, serious: true, basis: "考核".to_owned(), meetings: vec![0, 1] },
    ]
}

/// Decisions whose lists may be divided: whole, or with so many parts that follow.
fn listing_decisions(parts: u32) -> Vec<CountyEvent> {
    let (period, raised_by) = (month(), month());
    vec![
        CountyEvent::Warning(WarningEvent::WarningNoticeRaised { period, sections: verdicts(), parts }),
        CountyEvent::Warning(WarningEvent::WarningNoticeSupplemented { period, sections: verdicts(), parts }),
        CountyEvent::Interview(InterviewEvent::InterviewRequired { raised_by, grounds: grounds(), parts }),
        CountyEvent::Interview(InterviewEvent::InterviewGroundsChanged { raised_by, grounds: grounds(), parts }),
    ]
}

fn county_decisions() -> Vec<CountyEvent> {
    let raised_by = month();
    vec![
        CountyEvent::Warning(WarningEvent::SectionsListed { period: month(), sections: verdicts() }),
        CountyEvent::Warning(WarningEvent::WarningNoticeWithdrawn { period: month() }),
        CountyEvent::Interview(InterviewEvent::GroundsListed { raised_by, grounds: grounds() }),
        CountyEvent::Interview(InterviewEvent::InterviewCancelled { raised_by }),
        CountyEvent::Interview(InterviewEvent::InterviewSuperseded { raised_by }),
        CountyEvent::Interview(InterviewEvent::MeetingReassigned { meeting: 0, answers_for: Some(read("2020-Q1")) }),
        CountyEvent::Proposal(ProposalEvent::ProposalDrafted { year: 2020, needed: 2, meetings: vec![0, 1] }),
        CountyEvent::Proposal(ProposalEvent::ProposalMeetingsChanged {
            year: 2020,
            meetings: vec![1],
            grounds_lost: true,
        }),
        CountyEvent::Proposal(ProposalEvent::ProposalIssued { year: 2020 }),
        CountyEvent::Proposal(ProposalEvent::ProposalWithdrawn { year: 2020, meetings: vec![1] }),
    ]
}

fn money() -> Vec<Event> {
    let charge = Charge {
        month: read("2020-02"),
        sections: vec![read("beihu")],
        band_sections: 1,
        rate: Fen(50_000_000),
        fen: Fen(50_000_000),
    };
    let settlement = Settlement {
        year: 2020,
        collected: Fen(10),
        provincial: Fen(3),
        shortfall: Fen(0),
        municipal: Fen(2),
        rewards: vec![(read("gaotang"), Fen(5))],
    };
    let (month, sections, rewards) = (charge.month, charge.sections.clone(), settlement.rewards.clone());
    let divisible = |parts| {
        let (charge, settlement) = (charge.clone(), settlement.clone());
        vec![
            CompensationEvent::Charged { charge: charge.clone(), parts }.into(),
            CompensationEvent::ChargeReversed { charge, parts }.into(),
            SettlementEvent::SettlementMade { settlement, parts }.into(),
        ]
    };
    let others = vec![
        CompensationEvent::SectionsListed { month, sections }.into(),
        CompensationEvent::PaymentReceived { year: 2020, fen: Fen(10) }.into(),
        SettlementEvent::SettlementOrdered { year: 2020, provincial_payable: Fen(3) }.into(),
        SettlementEvent::RewardsListed { rewards }.into(),
    ];
    [divisible(0), divisible(1), others].concat()
}

fn notices() -> Vec<Event> {
    let counted = Counted {
        from: date(2020, 1, 23),
        rule: CountRule::WorkingDays(3),
        skipped: vec![Stretch {
            first: date(2020, 1, 24),
            last: date(2020, 2, 2),
            day: DayKind::Holiday("春节".to_owned()),
        }],
        exchanged: vec![],
        notices: vec!["国办发明电〔2019〕16号".to_owned()],
    };
    let deadline = Deadline { due_on: date(2020, 2, 5), provisional: false, counted };
    let duty = DutyDeadline { duty: Duty::Report, deadline, reminders: vec![(-1, date(2020, 2, 4))] };
    let number = DocumentNumber { prefix: "聊环".to_owned(), series: Series::Warning, year: 2020, number: 3 };
    let drafted = |parts| NoticeEvent::NoticeDrafted {
        kind: NoticeKind::WarningNotice,
        county: read("gaotang"),
        subject: Subject::Round { period: month(), sections: verdicts() },
        refers_to: Some(notice(1)),
        parts,
    };
    let events = [
        drafted(0),
        drafted(1),
        NoticeEvent::SectionsListed { sections: verdicts() },
        NoticeEvent::GroundsListed { grounds: grounds() },
        NoticeEvent::NoticeApproved { number },
        NoticeEvent::NoticeSent { on: day(), duties: vec![duty.clone()] },
        NoticeEvent::DutySet { duty },
        NoticeEvent::NoticeAcknowledged { on: day(), signed_by: "王某".to_owned() },
        report(),
        NoticeEvent::ReminderDue { duty: Duty::Acknowledge, offset: -1, due_on: day() },
        NoticeEvent::NoticeClosed { note: "完成".to_owned() },
        NoticeEvent::NoticeWithdrawn { reason: "复核".to_owned() },
    ];
    let numbering = [
        NumberingEvent::NumberAssigned { number: 3, notice: notice(2) },
        NumberingEvent::NumberVoided { number: 3, notice: notice(2), reason: "复核".to_owned() },
    ];
    events.into_iter().map(Event::from).chain(numbering.into_iter().map(Event::from)).collect()
}

fn report() -> NoticeEvent {
    let (name, media_type) = ("整改报告.pdf".to_owned(), "application/pdf".to_owned());
    let attachments = vec![Attachment { name, media_type, bytes: 1_024, sha256: Sha256([0xab; 32]) }];
    NoticeEvent::ReportReceived { on: day(), summary: "整改".to_owned(), attachments }
}

/// What the events of older schema versions mean, with their files.
pub(crate) fn older() -> Vec<(&'static str, u16, Event)> {
    let without_attachments =
        NoticeEvent::ReportReceived { on: day(), summary: "整改".to_owned(), attachments: vec![] };
    vec![("notice.report_received", 1, without_attachments.into())]
}

fn mails() -> Vec<Event> {
    let address = || "office@gaotang.example".to_owned();
    let message = Message {
        notice: notice(2),
        kind: NoticeKind::WarningNotice,
        reminder: false,
        county: read("gaotang"),
        period: Some(month()),
        message_id: "1@bishui.example".to_owned(),
        to: vec![address()],
        subject: "预警通报".to_owned(),
        text: "正文".to_owned(),
    };
    let outcomes = [
        Outcome::Accepted { reply: "250 ok".to_owned() },
        Outcome::Deferred { reply: "451 later".to_owned() },
        Outcome::Failed { reply: "550 no".to_owned() },
        Outcome::Unknown { what: "no reply".to_owned() },
    ];
    let outcomes = outcomes.map(|outcome| RecipientOutcome { address: address(), outcome }).to_vec();
    let events = [
        MailEvent::MailQueued { message: message.clone(), parts: 0 },
        MailEvent::MailQueued { message, parts: 1 },
        MailEvent::TextContinued { text: "正文".to_owned() },
        MailEvent::AttemptStarted { attempt: 1, recipients: vec![address()] },
        MailEvent::AttemptEnded { attempt: 1, outcomes, retry_at: Some(read("2020-03-05T01:00:00Z")) },
        MailEvent::OutcomeResolved { recipients: vec![address()], arrived: true, basis: "phone".to_owned() },
        MailEvent::RetryRequested { recipients: vec![address()] },
        MailEvent::MailCancelled { reason: "复核".to_owned() },
    ];
    events.into_iter().map(Event::from).collect()
}

/// One of each.
pub(crate) fn all() -> Vec<Event> {
    let counties = [county_facts(), listing_decisions(0), listing_decisions(1), county_decisions()].concat();
    let counties = counties.into_iter().map(Event::from).collect();
    [plan_and_readings(), sections_and_rounds(), counties, money(), notices(), mails(), consumers()].concat()
}

fn consumers() -> Vec<Event> {
    let (position, event, kind) = (17, Uuid::from_u128(3), "notice.notice_approved".to_owned());
    let stream = "notice/00000000-0000-0000-0000-000000000002".to_owned();
    let (code, error) = ("unknown_notice".to_owned(), "notice 2 does not exist".to_owned());
    let stop = Stop { position, event, kind: kind.clone(), stream: stream.clone(), code, error };
    let skip = Skip { position, event, kind, stream, reason: "已人工送达".to_owned() };
    let events = [
        ConsumerEvent::ConsumerStopped(stop),
        ConsumerEvent::RetryRequested { position },
        ConsumerEvent::EventSkipped(skip),
    ];
    events.into_iter().map(Event::from).collect()
}
