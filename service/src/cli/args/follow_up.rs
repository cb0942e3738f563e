//! What follows a publication: notices, interviews, the determination, money, mail.

use std::path::PathBuf;

use bishui_domain::ids::{CountyId, MailId, NoticeId};
use bishui_domain::notice::NoticeState;
use bishui_domain::period::Period;
use bishui_domain::sha256::Sha256;
use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::PreviewFlag;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum NoticesCommand {
    /// List notices
    List {
        /// Only this county
        #[arg(long)]
        county: Option<CountyId>,
        /// Only in this state
        #[arg(long)]
        state: Option<NoticeState>,
    },
    /// Show a notice: text, deadlines and how they were counted, mail
    Show {
        /// Notice id
        notice: NoticeId,
    },
    /// Approve and number
    Approve {
        /// Notice id
        notice: Option<NoticeId>,
        /// Every notice that waits for approval
        #[arg(long, conflicts_with = "notice", required_unless_present = "notice")]
        all: bool,
    },
    /// Record delivery by hand
    Deliver {
        /// Notice id
        notice: NoticeId,
    },
    /// Withdraw
    Withdraw {
        /// Notice id
        notice: NoticeId,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        preview: PreviewFlag,
    },
    /// Acknowledge, for the county
    Acknowledge {
        /// Notice id
        notice: NoticeId,
        /// Who signs
        #[arg(long)]
        signed_by: String,
    },
    /// Answer with a rectification report
    Answer {
        /// Notice id
        notice: NoticeId,
        /// The report's summary
        #[arg(long)]
        summary: String,
        /// A file that came with it, up to 32 MiB; may be repeated
        #[arg(long, value_name = "FILE")]
        attach: Vec<PathBuf>,
    },
    /// Write a file that came with a report
    Attachment {
        /// The SHA-256 that the notice shows
        sha256: Sha256,
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Close
    Close {
        /// Notice id
        notice: NoticeId,
        /// Why
        #[arg(long)]
        note: String,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum InterviewCommand {
    /// Set date and place
    Schedule {
        /// County id
        county: CountyId,
        /// The day
        #[arg(long)]
        on: Date,
        /// Where
        #[arg(long)]
        place: String,
    },
    /// Record that it was held
    Hold {
        /// County id
        county: CountyId,
        /// The day; today by default
        #[arg(long)]
        on: Option<Date>,
        /// Who attended; may be repeated
        #[arg(long)]
        attended: Vec<String>,
        #[command(flatten)]
        preview: PreviewFlag,
    },
    /// Record the minutes
    Minutes {
        /// County id
        county: CountyId,
        /// The round that raised the interview
        raised_by: Period,
        /// Text file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ImpactArgs {
    /// County id
    pub(in crate::cli) county: CountyId,
    /// Year of the proposal
    pub(in crate::cli) year: i16,
    /// Whether the result was seriously affected
    #[arg(long, action = clap::ArgAction::Set)]
    pub(in crate::cli) serious: bool,
    /// On what grounds
    #[arg(long)]
    pub(in crate::cli) basis: String,
    #[command(flatten)]
    pub(in crate::cli) preview: PreviewFlag,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PayArgs {
    /// County id
    pub(in crate::cli) county: CountyId,
    /// Amount in fen
    #[arg(allow_negative_numbers = true)]
    pub(in crate::cli) fen: i64,
    /// The charges' year; the plan's by default
    #[arg(long)]
    pub(in crate::cli) year: Option<i16>,
    #[command(flatten)]
    pub(in crate::cli) preview: PreviewFlag,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SettleArgs {
    /// The year
    pub(in crate::cli) year: i16,
    /// What the city owes the province, in fen
    #[arg(long)]
    pub(in crate::cli) provincial_payable_fen: i64,
    #[command(flatten)]
    pub(in crate::cli) preview: PreviewFlag,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MailCommand {
    /// List messages with the state of each recipient
    List,
    /// Try failed and deferred recipients again now
    Retry {
        /// Mail id
        mail: MailId,
    },
    /// Say what became of an unknown outcome
    Resolve {
        /// Mail id
        mail: MailId,
        /// Whether it arrived; if not it is sent again
        #[arg(long, action = clap::ArgAction::Set)]
        arrived: bool,
        /// How that is known
        #[arg(long)]
        basis: String,
    },
}
