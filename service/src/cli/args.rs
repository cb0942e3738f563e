//! Commands and options.

mod audit;
mod backup;
mod bench;
mod consumers;
mod follow_up;
mod store;
mod whatif;

use std::net::SocketAddr;
use std::path::PathBuf;

use bishui_domain::assessment::Reason;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::period::{Month, Period};
use clap::{Args, Parser, Subcommand};

use crate::store::Place;

pub(super) use audit::AuditCommand;
pub(super) use backup::{BackupArgs, BackupCommand, RestoreArgs};
pub(super) use bench::{BenchCommand, BenchStoreArgs};
pub(super) use consumers::{IncidentsCommand, ProjectionsCommand};
pub(super) use follow_up::{ImpactArgs, InterviewCommand, MailCommand, NoticesCommand, PayArgs, SettleArgs};
pub(super) use store::{MigrateStoreArgs, PlaceParser};
pub(super) use whatif::WhatIfArgs;

/// Bishui 碧水: assessment, escalation and ecological compensation for a municipality's water sections.
#[derive(Debug, Parser)]
#[command(name = "bishui", version, arg_required_else_help = true)]
pub(super) struct Cli {
    /// Directory of the store, the settings and the mail spool
    #[arg(long, global = true, env = "BISHUI_DATA", default_value = "bishui-data", value_name = "DIR")]
    pub(super) data: PathBuf,
    /// The store, `sled:DIR` or `postgres://USER@HOST[,HOST]/DATABASE`; by default embedded in the data directory
    #[arg(long, global = true, env = "BISHUI_STORE", hide_env_values = true, value_name = "STORE", value_parser = PlaceParser)]
    pub(super) store: Option<Place>,
    /// Settings file; by default bishui.toml in the data directory
    #[arg(long, global = true, env = "BISHUI_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Who acts: the name that is recorded
    #[arg(long = "as", global = true, env = "BISHUI_AS", default_value = "cli", value_name = "NAME", value_parser = name)]
    pub(super) actor: String,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service: HTTP interface, mail, deadlines
    Serve(ServeArgs),
    /// Play the demonstration year of Liaocheng's 2020 plan and stay up
    Demo(DemoArgs),
    /// Make a data directory with an empty store and a settings file to fill in
    Init,
    /// The plan: targets, sections, rules
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Import readings (CSV, UTF-8 or GB18030)
    Import(ImportArgs),
    /// Show the verdicts a round would have if it were published now
    Evaluate {
        /// Month (2020-01) or quarter (2020-Q1)
        period: Period,
    },
    /// Show how verdicts would change under another target, or with other values; records nothing
    Whatif(WhatIfArgs),
    /// Declare a section unassessed in a period, or withdraw that
    Declare(DeclareArgs),
    /// Publish a round
    Publish(PublishArgs),
    /// Revise readings: replace, add, or take away (R8)
    Revise(ReviseArgs),
    /// Explain a verdict: readings used and left out, mean, limit, multiple, settings, clause
    Explain {
        /// Section id
        section: SectionId,
        /// Month (2020-01) or quarter (2020-Q1)
        period: Period,
        /// List every reading, not only those left out
        #[arg(long)]
        readings: bool,
    },
    /// Streaks, interviews, charges, open deadlines and the distance to the next step, per county
    Status {
        /// Only this county
        county: Option<CountyId>,
    },
    /// Notices as official acts
    #[command(subcommand)]
    Notices(NoticesCommand),
    /// A county's open interview
    #[command(subcommand)]
    Interview(InterviewCommand),
    /// Determine whether the city's own result was seriously affected (R6)
    Impact(ImpactArgs),
    /// Book a payment onto a county's account
    Pay(PayArgs),
    /// Settle a year (R7)
    Settle(SettleArgs),
    /// Every movement of money, double entry
    Ledger {
        /// Only this year
        #[arg(long)]
        year: Option<i16>,
        /// Only this county
        #[arg(long)]
        county: Option<CountyId>,
    },
    /// Mail: what was handed over, what waits, what a person must decide
    #[command(subcommand)]
    Mail(MailCommand),
    /// The recorded events
    Events {
        /// Start after this position
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most this many, 1 to 1000
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Derive every decision again from the recorded facts; exit 3 on a difference
    Replay {
        /// Show the state as it was known at a position or an instant instead
        #[arg(long, value_name = "POSITION|TIME")]
        until: Option<String>,
    },
    /// Consumers of the log that cannot get past an event: show, retry, skip
    #[command(subcommand)]
    Incidents(IncidentsCommand),
    /// Views that are built from the log: show, build anew
    #[command(subcommand)]
    Projections(ProjectionsCommand),
    /// Play a scenario on a throw-away store and print the end state
    Drill {
        /// The scenario (TOML)
        scenario: PathBuf,
    },
    /// Classify each row of a CSV file by GB 3838-2002
    Classify {
        /// The file; columns `water` and indicator codes
        file: PathBuf,
    },
    /// Settings: show and check
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check the store from end to end
    Doctor,
    /// Make the embedded store's index again from its journal, and cut away what is damaged
    Repair {
        /// Where the journal is damaged, keep what is before the damage and set the rest aside
        #[arg(long)]
        accept_loss: bool,
    },
    /// Proof of the log: checkpoints, a check of every event, evidence for others
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Move a log to another store, and compare both from end to end
    MigrateStore(MigrateStoreArgs),
    /// Measure the speed of a store on this machine
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Bring a backup in a directory level with the log, also while the service runs
    Backup(BackupArgs),
    /// Write the whole log with its attachments into a new directory, in the same format
    Export {
        /// The directory
        dir: PathBuf,
    },
    /// Restore a backup or export into a store that is not there yet, and verify it by replay
    Restore(RestoreArgs),
    /// Bearer tokens of the HTTP interface
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on
    #[arg(long)]
    pub(super) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Play, print the end state and exit
    #[arg(long)]
    pub(super) once: bool,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8620")]
    pub(super) listen: SocketAddr,
}

#[derive(Debug, Subcommand)]
pub(super) enum PlanCommand {
    /// Adopt a plan for its year and on
    Adopt {
        /// The plan (TOML)
        file: PathBuf,
        #[command(flatten)]
        preview: PreviewFlag,
    },
    /// Show the plan in force
    Show,
    /// Amend the plan from a month on: targets, sections, rules
    Amend {
        /// The whole amended plan (TOML)
        file: PathBuf,
        /// First month it holds for
        #[arg(long)]
        from: Month,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        preview: PreviewFlag,
    },
    /// Correct a target that was wrong, for published rounds too (R8)
    CorrectTarget {
        /// Section id
        section: SectionId,
        /// The right target: I II III IV V
        target: String,
        /// First month
        #[arg(long)]
        from: Month,
        /// Last month
        #[arg(long)]
        until: Option<Month>,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        preview: PreviewFlag,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct PreviewFlag {
    /// Show everything that would change, and record nothing
    #[arg(long)]
    pub(super) preview: bool,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file
    pub(super) file: PathBuf,
    /// Column mapping for a foreign table (TOML)
    #[arg(long, value_name = "FILE")]
    pub(super) mapping: Option<PathBuf>,
    /// Write rejected rows to this CSV file
    #[arg(long, value_name = "FILE")]
    pub(super) rejected: Option<PathBuf>,
    #[command(flatten)]
    pub(super) preview: PreviewFlag,
}

#[derive(Debug, Args)]
pub(super) struct DeclareArgs {
    /// Section id
    pub(super) section: SectionId,
    /// Month (2020-01) or quarter (2020-Q1)
    pub(super) period: Period,
    /// dry, frozen, maintenance, construction or `no_data`; with --withdraw: why
    #[arg(long)]
    pub(super) reason: String,
    /// Withdraw the declaration, which is a correction
    #[arg(long)]
    pub(super) withdraw: bool,
    #[command(flatten)]
    pub(super) preview: PreviewFlag,
}

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// Month (2020-01) or quarter (2020-Q1)
    pub(super) period: Period,
    /// Declare every section without a complete assessment for this reason
    #[arg(long, value_name = "REASON")]
    pub(super) declare_rest: Option<Reason>,
    #[command(flatten)]
    pub(super) preview: PreviewFlag,
}

#[derive(Debug, Args)]
pub(super) struct ReviseArgs {
    /// The file: rows replace the reading of the same key, add one, or (without a value) take it away
    pub(super) file: PathBuf,
    /// Why
    #[arg(long)]
    pub(super) reason: String,
    /// Where the evidence is
    #[arg(long)]
    pub(super) evidence: Option<String>,
    /// Write rejected rows to this CSV file
    #[arg(long, value_name = "FILE")]
    pub(super) rejected: Option<PathBuf>,
    #[command(flatten)]
    pub(super) preview: PreviewFlag,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show the settings in force, without secrets
    Show,
    /// Check settings, calendar and mail
    Check,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token; it is shown once
    Create {
        /// Name: recorded as the actor
        name: String,
        /// clerk, approver, finance, county, auditor or administrator
        #[arg(long)]
        role: String,
        /// The county of a county token
        #[arg(long, required_if_eq("role", "county"))]
        county: Option<CountyId>,
    },
    /// List tokens
    List,
    /// Revoke a token
    Revoke {
        /// Name
        name: String,
    },
}

/// A name to be recorded: plain text of reasonable length.
fn name(text: &str) -> Result<String, String> {
    const CHARS_MAX: usize = 100;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > CHARS_MAX || text.chars().any(char::is_control) {
        return Err(format!("a name has 1 to {CHARS_MAX} characters and no control characters"));
    }
    Ok(text.to_owned())
}
