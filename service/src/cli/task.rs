//! What a command asks for: one table from the commands to the acts, questions and chores behind them.

use std::path::{Path, PathBuf};

use bishui_domain::money::Fen;
use bishui_domain::sha256::Sha256;
use bishui_domain::standard::Target;
use bishui_infra::backup::{self, Loss};
use bishui_infra::event_log::Position;
use serde_json::Value;

use super::args::{
    AuditCommand, BackupArgs, BackupCommand, BenchCommand, Command, ConfigCommand, DeclareArgs, DemoArgs, ImportArgs,
    IncidentsCommand, InterviewCommand, MailCommand, MigrateStoreArgs, NoticesCommand, PlanCommand, PreviewFlag,
    ProjectionsCommand, RestoreArgs, ReviseArgs, ServeArgs, TokenCommand, WhatIfArgs,
};
use super::backups::Kind;
use super::output::Output;
use super::{consumers, explanation, lists, restore, standing};
use crate::act::Act;
use crate::error::OfficeError;
use crate::query::{Query, Until};
use crate::scenario::{read_plan, read_text};
use crate::whatif::Supposed;

/// How an answer is shown to people.
pub(super) type Show = fn(&Output, &Value);

/// What a command asks for.
pub(super) enum Task<'a> {
    /// Run the service.
    Serve(&'a ServeArgs),
    /// Play the demonstration.
    Demonstrate(&'a DemoArgs),
    /// Make a data directory.
    Init,
    /// Show or check the settings.
    Config(&'a ConfigCommand),
    /// Check the store.
    Doctor,
    /// Repair the store.
    Repair { accept_loss: bool },
    /// Move a log to another store.
    MigrateStore(&'a MigrateStoreArgs),
    /// Measure a store.
    Bench(&'a BenchCommand),
    /// Add to a backup, or write an export.
    WriteBackup(&'a Path, Kind),
    /// Check a backup.
    VerifyBackup(&'a Path),
    /// Restore a backup.
    Restore(restore::Asked<'a>),
    /// Write an attachment to a file.
    Attachment(Sha256, &'a Path),
    /// Make, list or revoke tokens.
    Token(&'a TokenCommand),
    /// Play a scenario.
    Drill(&'a Path),
    /// Classify a file.
    Classify(&'a Path),
    /// Print completions.
    Complete(clap_complete::Shell),
    /// Record an act, or preview it.
    Record(Asked<'a>),
    /// Approve every notice that waits.
    ApproveAll,
    /// Answer a question.
    Ask(Query, Show),
    /// Derive every decision again.
    Replay,
    /// Prove the log, or check its proof.
    Audit(&'a AuditCommand),
    /// Build a projection anew.
    Rebuild(&'a str),
}

/// Largest file that is read for an act.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// An act with how it was asked for.
pub(super) struct Asked<'a> {
    /// The act.
    pub(super) act: Act,
    /// Whether it is only previewed.
    pub(super) preview: bool,
    /// Where rejected rows are written.
    pub(super) rejected: Option<&'a Path>,
    /// The files that come with it.
    pub(super) attach: &'a [PathBuf],
}

impl From<Act> for Asked<'_> {
    fn from(act: Act) -> Self {
        Self { act, preview: false, rejected: None, attach: &[] }
    }
}

impl From<Act> for Task<'_> {
    fn from(act: Act) -> Self {
        Self::Record(act.into())
    }
}

/// An act that has a preview.
fn previewed<'a>(act: Act, flag: PreviewFlag) -> Task<'a> {
    Task::Record(Asked { preview: flag.preview, ..act.into() })
}

/// The task of a command; reads the files it names.
///
/// # Errors
/// A file that cannot be read, or a word that is none of those expected.
pub(super) fn of(command: &Command) -> Result<Task<'_>, OfficeError> {
    Ok(match command {
        Command::Serve(args) => Task::Serve(args),
        Command::Demo(args) => Task::Demonstrate(args),
        Command::Init => Task::Init,
        Command::Config(command) => Task::Config(command),
        Command::Doctor => Task::Doctor,
        Command::Repair { accept_loss } => Task::Repair { accept_loss: *accept_loss },
        Command::Audit(command) => Task::Audit(command),
        Command::MigrateStore(args) => Task::MigrateStore(args),
        Command::Bench(command) => Task::Bench(command),
        Command::Backup(args) => backup(args)?,
        Command::Export { dir } => Task::WriteBackup(dir, Kind::Export),
        Command::Restore(RestoreArgs { dir, until, accept_loss }) => {
            let until = until.as_deref().map(parse_until).transpose()?;
            let until = until.map_or(backup::Until::End, Until::of_backup);
            let loss = if *accept_loss { Loss::Accepted } else { Loss::Refused };
            Task::Restore(restore::Asked { dir, until, loss })
        }
        Command::Token(command) => Task::Token(command),
        Command::Drill { scenario } => Task::Drill(scenario),
        Command::Classify { file } => Task::Classify(file),
        Command::Completions { shell } => Task::Complete(*shell),
        Command::Status { county } => Task::Ask(Query::Status { county: county.clone() }, standing::status),
        Command::Explain { section, period, readings } => {
            let show: Show = if *readings { explanation::with_readings } else { explanation::show };
            Task::Ask(Query::Explain { section: section.clone(), period: *period }, show)
        }
        Command::Evaluate { period } => Task::Ask(Query::Evaluate { period: *period }, lists::verdicts),
        Command::Whatif(args) => Task::Ask(what_if(args), lists::what_if),
        Command::Ledger { year, county } => {
            Task::Ask(Query::Ledger { year: *year, county: county.clone() }, lists::ledger)
        }
        Command::Events { after, limit } => {
            Task::Ask(Query::Events { after: Position(*after), limit: usize::from(*limit) }, lists::events)
        }
        Command::Replay { until: None } => Task::Replay,
        Command::Replay { until: Some(until) } => {
            Task::Ask(Query::Until { until: parse_until(until)? }, standing::end_state)
        }
        Command::Plan(command) => plan(command)?,
        Command::Import(args) => import(args)?,
        Command::Revise(args) => revision(args)?,
        Command::Declare(args) => declaration(args)?,
        Command::Publish(args) => {
            previewed(Act::Publish { period: args.period, declare_rest: args.declare_rest }, args.preview)
        }
        Command::Interview(command) => interview(command)?,
        Command::Impact(args) => {
            let (county, year, serious, basis) = (args.county.clone(), args.year, args.serious, args.basis.clone());
            previewed(Act::DetermineImpact { county, year, serious, basis }, args.preview)
        }
        Command::Pay(args) => {
            previewed(Act::Pay { county: args.county.clone(), fen: Fen(args.fen), year: args.year }, args.preview)
        }
        Command::Settle(args) => {
            let provincial_payable = Fen(args.provincial_payable_fen);
            previewed(Act::Settle { year: args.year, provincial_payable }, args.preview)
        }
        Command::Notices(command) => notice(command),
        Command::Mail(command) => mail(command),
        Command::Incidents(command) => incident(command),
        Command::Projections(command) => projection(command),
    })
}

fn import(args: &ImportArgs) -> Result<Task<'_>, OfficeError> {
    let mapping = args.mapping.as_deref().map(read_text).transpose()?;
    let (file, csv) = read_file(&args.file)?;
    let (preview, rejected) = (args.preview.preview, args.rejected.as_deref());
    Ok(Task::Record(Asked { preview, rejected, ..Act::Import { file, csv, mapping }.into() }))
}

fn revision(args: &ReviseArgs) -> Result<Task<'_>, OfficeError> {
    let (file, csv) = read_file(&args.file)?;
    let (reason, evidence) = (args.reason.clone(), args.evidence.clone());
    let (preview, rejected) = (args.preview.preview, args.rejected.as_deref());
    Ok(Task::Record(Asked { preview, rejected, ..Act::Revise { file, csv, reason, evidence }.into() }))
}

fn what_if(args: &WhatIfArgs) -> Query {
    let supposed = Supposed { target: args.target, percent: args.change.iter().copied().collect() };
    Query::WhatIf { span: args.span, supposed }
}

fn plan(command: &PlanCommand) -> Result<Task<'_>, OfficeError> {
    Ok(match command {
        PlanCommand::Show => Task::Ask(Query::Plan, lists::plan),
        PlanCommand::Adopt { file, preview } => {
            previewed(Act::AdoptPlan { plan: Box::new(read_plan(file)?) }, *preview)
        }
        PlanCommand::Amend { file, from, reason, preview } => {
            let plan = Box::new(read_plan(file)?);
            previewed(Act::AmendPlan { plan, from: *from, reason: reason.clone() }, *preview)
        }
        PlanCommand::CorrectTarget { section, target, from, until, reason, preview } => {
            let target: Target = serde_json::from_value(Value::String(target.clone()))
                .map_err(|_| OfficeError::Input { what: format!("`{target}` is no target class: I II III IV V") })?;
            let (section, reason) = (section.clone(), reason.clone());
            previewed(Act::CorrectTarget { section, from: *from, until: *until, target, reason }, *preview)
        }
    })
}

fn backup(args: &BackupArgs) -> Result<Task<'_>, OfficeError> {
    match args {
        BackupArgs { command: Some(BackupCommand::Verify { dir }), .. } => Ok(Task::VerifyBackup(dir)),
        BackupArgs { dir: Some(dir), command: None } => Ok(Task::WriteBackup(dir, Kind::Backup)),
        BackupArgs { dir: None, command: None } => {
            Err(OfficeError::Input { what: "name the directory of the backup".to_owned() })
        }
    }
}

fn declaration(args: &DeclareArgs) -> Result<Task<'_>, OfficeError> {
    let (section, period) = (args.section.clone(), args.period);
    if args.withdraw {
        let act = Act::WithdrawDeclaration { section, period, reason: args.reason.clone() };
        return Ok(previewed(act, args.preview));
    }
    let what = "`--reason` is one of dry, frozen, maintenance, construction, no_data".to_owned();
    let reason = args.reason.parse().map_err(|_| OfficeError::Input { what })?;
    Ok(previewed(Act::Declare { section, period, reason }, args.preview))
}

fn interview(command: &InterviewCommand) -> Result<Task<'_>, OfficeError> {
    Ok(match command {
        InterviewCommand::Schedule { county, on, place } => {
            Act::ScheduleInterview { county: county.clone(), on: *on, place: place.clone() }.into()
        }
        InterviewCommand::Hold { county, on, attended, preview } => {
            let act = Act::HoldInterview { county: county.clone(), on: *on, attended: attended.clone() };
            previewed(act, *preview)
        }
        InterviewCommand::Minutes { county, raised_by, file } => {
            Act::RecordMinutes { county: county.clone(), raised_by: *raised_by, minutes: read_text(file)? }.into()
        }
    })
}

fn notice(command: &NoticesCommand) -> Task<'_> {
    match command {
        NoticesCommand::List { county, state } => {
            Task::Ask(Query::Notices { county: county.clone(), state: *state }, lists::notices)
        }
        NoticesCommand::Show { notice } => Task::Ask(Query::Notice { notice: *notice }, lists::notice),
        NoticesCommand::Approve { notice: Some(notice), .. } => Act::ApproveNotice { notice: *notice }.into(),
        NoticesCommand::Approve { notice: None, .. } => Task::ApproveAll,
        NoticesCommand::Deliver { notice } => Act::DeliverNotice { notice: *notice }.into(),
        NoticesCommand::Withdraw { notice, reason, preview } => {
            previewed(Act::WithdrawNotice { notice: *notice, reason: reason.clone() }, *preview)
        }
        NoticesCommand::Acknowledge { notice, signed_by } => {
            Act::AcknowledgeNotice { notice: *notice, signed_by: signed_by.clone() }.into()
        }
        NoticesCommand::Answer { notice, summary, attach } => {
            let act = Act::AnswerNotice { notice: *notice, summary: summary.clone(), attachments: vec![] };
            Task::Record(Asked { attach, ..act.into() })
        }
        NoticesCommand::Attachment { sha256, file } => Task::Attachment(*sha256, file),
        NoticesCommand::Close { notice, note } => Act::CloseNotice { notice: *notice, note: note.clone() }.into(),
    }
}

fn mail(command: &MailCommand) -> Task<'_> {
    match command {
        MailCommand::List => Task::Ask(Query::Mails, lists::mails),
        MailCommand::Retry { mail } => Act::RetryMail { mail: *mail }.into(),
        MailCommand::Resolve { mail, arrived, basis } => {
            Act::ResolveMail { mail: *mail, arrived: *arrived, basis: basis.clone() }.into()
        }
    }
}

fn incident(command: &IncidentsCommand) -> Task<'_> {
    match command {
        IncidentsCommand::List => Task::Ask(Query::Incidents, consumers::incidents),
        IncidentsCommand::Retry { consumer } => Act::RetryConsumer { consumer: consumer.clone() }.into(),
        IncidentsCommand::Skip { consumer, position, reason } => {
            let (consumer, position, reason) = (consumer.clone(), Position(*position), reason.clone());
            Act::SkipEvent { consumer, position, reason }.into()
        }
    }
}

fn projection(command: &ProjectionsCommand) -> Task<'_> {
    match command {
        ProjectionsCommand::List => Task::Ask(Query::Projections, consumers::projections),
        ProjectionsCommand::Rebuild { name } => Task::Rebuild(name),
    }
}

fn parse_until(text: &str) -> Result<Until, OfficeError> {
    if let Ok(position) = text.parse::<u64>() {
        return Ok(Until::Position(Position(position)));
    }
    let what = format!("`{text}` is neither a position nor an instant like 2020-05-01T00:00:00+08:00");
    text.parse().map(Until::Time).map_err(|_| OfficeError::Input { what })
}

/// Reads a file of bounded size; gives its name too.
fn read_file(path: &Path) -> Result<(String, Vec<u8>), OfficeError> {
    let failed = |error: &dyn std::fmt::Display| OfficeError::Input { what: format!("{}: {error}", path.display()) };
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(failed(&"the file is larger than 256 MiB; split it"));
    }
    let csv = std::fs::read(path).map_err(|error| failed(&error))?;
    Ok((path.display().to_string(), csv))
}
