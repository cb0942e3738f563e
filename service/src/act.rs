//! The acts of officers and counties: one list for the command line, the HTTP interface, the drill and the replay.

use bishui_domain::assessment::Reason;
use bishui_domain::attachment::Attachment;
use bishui_domain::ids::{CountyId, MailId, NoticeId, SectionId};
use bishui_domain::money::Fen;
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::Plan;
use bishui_domain::standard::Target;
use bishui_infra::event_log::Position;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Something a person does that is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Adopt a plan for its year and on.
    AdoptPlan {
        /// The plan.
        plan: Box<Plan>,
    },
    /// Amend the plan from a month on.
    AmendPlan {
        /// The whole amended plan.
        plan: Box<Plan>,
        /// First month it holds for.
        from: Month,
        /// Why.
        reason: String,
    },
    /// Correct a target, for published rounds too.
    CorrectTarget {
        /// The section.
        section: SectionId,
        /// First month.
        from: Month,
        /// Last month.
        until: Option<Month>,
        /// The right target.
        target: Target,
        /// Why.
        reason: String,
    },
    /// Import readings; the file stands in `csv`.
    Import {
        /// The file's name, for the report.
        file: String,
        /// The file.
        #[serde(with = "base64_bytes")]
        csv: Vec<u8>,
        /// The text of a column mapping.
        mapping: Option<String>,
    },
    /// Revise readings (R8).
    Revise {
        /// The file's name, for the report.
        file: String,
        /// The file.
        #[serde(with = "base64_bytes")]
        csv: Vec<u8>,
        /// Why.
        reason: String,
        /// Where the evidence is.
        evidence: Option<String>,
    },
    /// Declare a section unassessed in a period.
    Declare {
        /// The section.
        section: SectionId,
        /// The period.
        period: Period,
        /// Why.
        reason: Reason,
    },
    /// Withdraw a declaration.
    WithdrawDeclaration {
        /// The section.
        section: SectionId,
        /// The period.
        period: Period,
        /// Why.
        reason: String,
    },
    /// Publish a round.
    Publish {
        /// The round.
        period: Period,
        /// The reason for every section without a complete assessment.
        declare_rest: Option<Reason>,
    },
    /// Set a date for the county's open interview.
    ScheduleInterview {
        /// The county.
        county: CountyId,
        /// The day.
        on: Date,
        /// Where.
        place: String,
    },
    /// Record that the county's open interview was held.
    HoldInterview {
        /// The county.
        county: CountyId,
        /// The day; today when absent.
        on: Option<Date>,
        /// Who attended.
        attended: Vec<String>,
    },
    /// Record the minutes of a held interview.
    RecordMinutes {
        /// The county.
        county: CountyId,
        /// The round that raised it.
        raised_by: Period,
        /// The text.
        minutes: String,
    },
    /// Determine whether the city's result was seriously affected.
    DetermineImpact {
        /// The county.
        county: CountyId,
        /// The year of the proposal.
        year: i16,
        /// Whether it was.
        serious: bool,
        /// On what grounds.
        basis: String,
    },
    /// Book a payment onto the county's account.
    Pay {
        /// The county.
        county: CountyId,
        /// The amount.
        fen: Fen,
        /// The year of the charges; the plan's when absent.
        year: Option<i16>,
    },
    /// Settle a year.
    Settle {
        /// The year.
        year: i16,
        /// What the city owes the province.
        provincial_payable: Fen,
    },
    /// Approve a notice.
    ApproveNotice {
        /// The notice.
        notice: NoticeId,
    },
    /// Record that an approved notice was delivered by hand.
    DeliverNotice {
        /// The notice.
        notice: NoticeId,
    },
    /// Withdraw a notice.
    WithdrawNotice {
        /// The notice.
        notice: NoticeId,
        /// Why.
        reason: String,
    },
    /// Acknowledge a notice, for its county.
    AcknowledgeNotice {
        /// The notice.
        notice: NoticeId,
        /// Who signs.
        signed_by: String,
    },
    /// Answer a notice with a rectification report.
    AnswerNotice {
        /// The notice.
        notice: NoticeId,
        /// The report's summary.
        summary: String,
        /// The files that come with it, which must have been put beside the log before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
    },
    /// Close a notice.
    CloseNotice {
        /// The notice.
        notice: NoticeId,
        /// Why.
        note: String,
    },
    /// Try the failed and deferred recipients of a mail again now.
    RetryMail {
        /// The mail.
        mail: MailId,
    },
    /// Say what became of a mail whose outcome is unknown.
    ResolveMail {
        /// The mail.
        mail: MailId,
        /// Whether it arrived; if not it is sent again.
        arrived: bool,
        /// How that is known.
        basis: String,
    },
    /// Have a consumer of the log that stopped at an event try again at once.
    RetryConsumer {
        /// The consumer.
        consumer: String,
    },
    /// Have a consumer of the log skip the event it stopped at.
    SkipEvent {
        /// The consumer.
        consumer: String,
        /// The event it stopped at.
        position: Position,
        /// Why.
        reason: String,
    },
}

/// Bytes as base64 text, so that a file in any encoding travels in JSON.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
