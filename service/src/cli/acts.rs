//! Commands that record something, and the lists that go with them.

use std::path::Path;
use std::process::ExitCode;

use bishui_domain::ids::NoticeId;
use bishui_domain::money::Fen;
use bishui_domain::standard::Target;
use serde_json::Value;

use super::args::{Cli, Command, InterviewCommand, MailCommand, NoticesCommand, PlanCommand};
use super::output::{Output, cell};
use super::session::Session;
use super::{exit, questions, receipts};
use crate::act::Act;
use crate::error::OfficeError;
use crate::query::Query;
use crate::scenario::{read_plan, read_text};

/// Largest file that is read for an act.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// An act with how it was asked for.
struct Asked<'a> {
    act: Act,
    preview: bool,
    rejected: Option<&'a Path>,
}

impl From<Act> for Asked<'_> {
    fn from(act: Act) -> Self {
        Self { act, preview: false, rejected: None }
    }
}

pub(super) async fn run(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    match &cli.command {
        Command::Notices(NoticesCommand::Approve { notice: None, all: true }) => approve_all(&session, output).await,
        Command::Plan(PlanCommand::Show)
        | Command::Notices(NoticesCommand::List { .. } | NoticesCommand::Show { .. })
        | Command::Mail(MailCommand::List) => questions::list(&session, &cli.command, output).await,
        command => perform(&session, asked(command)?, output).await,
    }
}

/// The act a command asks for.
fn asked(command: &Command) -> Result<Asked<'_>, OfficeError> {
    let previewed = |act, preview: bool| Asked { act, preview, rejected: None };
    Ok(match command {
        Command::Plan(command) => plan(command)?,
        Command::Import(args) => {
            let mapping = args.mapping.as_deref().map(read_text).transpose()?;
            let (file, csv) = read_file(&args.file)?;
            let rejected = args.rejected.as_deref();
            Asked { act: Act::Import { file, csv, mapping }, preview: args.preview.preview, rejected }
        }
        Command::Revise(args) => {
            let (file, csv) = read_file(&args.file)?;
            let (reason, evidence) = (args.reason.clone(), args.evidence.clone());
            let rejected = args.rejected.as_deref();
            Asked { act: Act::Revise { file, csv, reason, evidence }, preview: args.preview.preview, rejected }
        }
        Command::Declare(args) => {
            let (section, period) = (args.section.clone(), args.period);
            let act = if args.withdraw {
                Act::WithdrawDeclaration { section, period, reason: args.reason.clone() }
            } else {
                let what = "`--reason` is one of dry, frozen, maintenance, construction, no_data".to_owned();
                let reason = args.reason.parse().map_err(|_| OfficeError::Input { what })?;
                Act::Declare { section, period, reason }
            };
            previewed(act, args.preview.preview)
        }
        Command::Publish(args) => {
            previewed(Act::Publish { period: args.period, declare_rest: args.declare_rest }, args.preview.preview)
        }
        Command::Interview(command) => interview(command)?,
        Command::Impact(args) => {
            let (county, year, serious, basis) = (args.county.clone(), args.year, args.serious, args.basis.clone());
            previewed(Act::DetermineImpact { county, year, serious, basis }, args.preview.preview)
        }
        Command::Pay(args) => previewed(
            Act::Pay { county: args.county.clone(), fen: Fen(args.fen), year: args.year },
            args.preview.preview,
        ),
        Command::Settle(args) => {
            let provincial_payable = Fen(args.provincial_payable_fen);
            previewed(Act::Settle { year: args.year, provincial_payable }, args.preview.preview)
        }
        Command::Notices(command) => notice(command),
        Command::Mail(MailCommand::Retry { mail }) => Act::RetryMail { mail: *mail }.into(),
        Command::Mail(MailCommand::Resolve { mail, arrived, basis }) => {
            Act::ResolveMail { mail: *mail, arrived: *arrived, basis: basis.clone() }.into()
        }
        other => unreachable!("{other:?} records nothing"),
    })
}

fn plan(command: &PlanCommand) -> Result<Asked<'_>, OfficeError> {
    let (act, preview) = match command {
        PlanCommand::Adopt { file, preview } => (Act::AdoptPlan { plan: Box::new(read_plan(file)?) }, preview),
        PlanCommand::Amend { file, from, reason, preview } => {
            (Act::AmendPlan { plan: Box::new(read_plan(file)?), from: *from, reason: reason.clone() }, preview)
        }
        PlanCommand::CorrectTarget { section, target, from, until, reason, preview } => {
            let target: Target = serde_json::from_value(Value::String(target.clone()))
                .map_err(|_| OfficeError::Input { what: format!("`{target}` is no target class: I II III IV V") })?;
            let (section, reason) = (section.clone(), reason.clone());
            (Act::CorrectTarget { section, from: *from, until: *until, target, reason }, preview)
        }
        PlanCommand::Show => unreachable!("showing records nothing"),
    };
    Ok(Asked { act, preview: preview.preview, rejected: None })
}

fn interview(command: &InterviewCommand) -> Result<Asked<'_>, OfficeError> {
    Ok(match command {
        InterviewCommand::Schedule { county, on, place } => {
            Act::ScheduleInterview { county: county.clone(), on: *on, place: place.clone() }.into()
        }
        InterviewCommand::Hold { county, on, attended, preview } => Asked {
            act: Act::HoldInterview { county: county.clone(), on: *on, attended: attended.clone() },
            preview: preview.preview,
            rejected: None,
        },
        InterviewCommand::Minutes { county, raised_by, file } => {
            Act::RecordMinutes { county: county.clone(), raised_by: *raised_by, minutes: read_text(file)? }.into()
        }
    })
}

fn notice(command: &NoticesCommand) -> Asked<'_> {
    match command {
        NoticesCommand::Approve { notice: Some(notice), .. } => Act::ApproveNotice { notice: *notice }.into(),
        NoticesCommand::Deliver { notice } => Act::DeliverNotice { notice: *notice }.into(),
        NoticesCommand::Withdraw { notice, reason, preview } => Asked {
            act: Act::WithdrawNotice { notice: *notice, reason: reason.clone() },
            preview: preview.preview,
            rejected: None,
        },
        NoticesCommand::Acknowledge { notice, signed_by } => {
            Act::AcknowledgeNotice { notice: *notice, signed_by: signed_by.clone() }.into()
        }
        NoticesCommand::Answer { notice, summary } => {
            Act::AnswerNotice { notice: *notice, summary: summary.clone() }.into()
        }
        NoticesCommand::Close { notice, note } => Act::CloseNotice { notice: *notice, note: note.clone() }.into(),
        NoticesCommand::Approve { notice: None, .. } | NoticesCommand::List { .. } | NoticesCommand::Show { .. } => {
            unreachable!("lists record nothing, and approving all is many acts")
        }
    }
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

async fn perform(session: &Session, asked: Asked<'_>, output: &Output) -> Result<ExitCode, OfficeError> {
    let long = matches!(asked.act, Act::Import { .. } | Act::Revise { .. } | Act::Publish { .. });
    let mails = matches!(
        asked.act,
        Act::ApproveNotice { .. } | Act::WithdrawNotice { .. } | Act::RetryMail { .. } | Act::ResolveMail { .. }
    );
    let waiting = output.spinner(if long { "reading, deciding and storing" } else { "storing" });
    let answer = session.perform(&asked.act, asked.preview).await;
    waiting.finish_and_clear();
    let answer = answer?;
    let code = if answer.rejections() > 0 { ExitCode::from(exit::REJECTED) } else { ExitCode::SUCCESS };
    // What was taken is shown even when the file of rejected rows cannot be written.
    let written = asked.rejected.map_or(Ok(()), |path| receipts::write_rejected(path, &answer));
    output.show(answer, |output, answer| receipts::show(output, answer, asked.preview));
    if mails && !asked.preview {
        mail_hint(output, session);
    }
    written.map(|()| code)
}

async fn approve_all(session: &Session, output: &Output) -> Result<ExitCode, OfficeError> {
    let state = Some(bishui_domain::notice::NoticeState::Drafted);
    let waiting = session.ask(&Query::Notices { county: None, state }).await?;
    let ids =
        waiting.as_array().into_iter().flatten().filter_map(|notice| cell(notice, "/id").parse::<NoticeId>().ok());
    let mut approved = Vec::new();
    for notice in ids {
        session.perform(&Act::ApproveNotice { notice }, false).await?;
        approved.push(notice);
    }
    output.show(serde_json::json!({ "approved": approved }), |output, _| {
        output.line(format_args!("{} notices approved", approved.len()));
        mail_hint(output, session);
    });
    Ok(ExitCode::SUCCESS)
}

fn mail_hint(output: &Output, session: &Session) {
    if let Some(place) = session.mail_goes_to() {
        output.say(format_args!("mail goes to {place}"));
    }
}
