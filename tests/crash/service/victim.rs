//! The process that is killed: a whole office on the embedded log, which plays a scenario act by act, says after each
//! that it is acknowledged, and begins after a restart where its caller was left.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bishui::delivery;
use bishui::drill::{ACTOR, Stage};
use bishui::error::OfficeError;
use bishui::office::Request;
use bishui::scenario::Play;
use bishui_infra::calendar;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_infra::mail::{Mailer, SpoolMailer};
use bishui_tests::asked;
use bishui_tests::smtp_sink::mailer_to;
use bishui_tests::watched_log::WatchedLog;
use jiff::Timestamp;

use crate::told::{Teller, ToldMailer};

/// The directory of the store and the spool.
pub(crate) const DIRECTORY: &str = "BISHUI_CRASH_DIRECTORY";
/// The first act that is not acknowledged yet; 0 is the adoption of the plan.
pub(crate) const FROM: &str = "BISHUI_CRASH_FROM";
/// The [`Stop`] at which the process goes no further; absent, it goes on until it is killed.
pub(crate) const HALT: &str = "BISHUI_CRASH_HALT";
/// The port of an SMTP server on this machine; absent, mail is spooled.
pub(crate) const PORT: &str = "BISHUI_CRASH_PORT";
/// What is broken on purpose.
pub(crate) const SABOTAGE: &str = "BISHUI_CRASH_SABOTAGE";
/// What the process prints when the scenario is played to its end.
pub(crate) const FINISHED: &str = "finished";

/// A moment of a run: the `nth` line that begins with `prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The beginning of the line; empty for any.
    pub(crate) prefix: String,
    /// Which of those lines, from 1.
    pub(crate) nth: u64,
}

impl Stop {
    /// Whether `line` counts.
    pub(crate) fn concerns(&self, line: &str) -> bool {
        line.starts_with(&self.prefix)
    }

    /// As the victim is told.
    pub(crate) fn to_text(&self) -> String {
        format!("{} {}", self.nth, self.prefix)
    }

    fn from_text(text: &str) -> Self {
        let (nth, prefix) = text.split_once(' ').expect("a number and a beginning");
        Self { prefix: prefix.to_owned(), nth: nth.parse().expect("a number") }
    }
}

/// What a control breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// An act is acknowledged before it is recorded.
    EarlyAcknowledgement,
    /// The mailer gives every attempt a Message-ID of its own.
    NewMessageIds,
    /// An attempt that was cut short is repeated, although it may have succeeded.
    RetryUnknown,
    /// Acts carry no key by which a repetition would be known.
    NoKeys,
}

impl Sabotage {
    const ALL: [(Self, &'static str); 4] = [
        (Self::EarlyAcknowledgement, "early-acknowledgement"),
        (Self::NewMessageIds, "new-message-ids"),
        (Self::RetryUnknown, "retry-unknown"),
        (Self::NoKeys, "no-keys"),
    ];

    /// Its name between parent and victim.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
    }
}

/// The demonstration year without its June and July, which add length and no kind of act; every county has a second
/// address, so that messages have two recipients.
pub(crate) fn scenario() -> Play {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/demo/scenario.toml");
    let mut play = Play::read(&file).expect("the demonstration can be read");
    let [june, august] =
        ["2020-06-01T00:00:00+08:00", "2020-08-01T00:00:00+08:00"].map(|at| at.parse::<Timestamp>().expect("a time"));
    play.acts.retain(|act| act.at < june || act.at >= august);
    for county in &mut play.plan.county {
        county.emails.push(format!("chief@{}.example", county.id));
    }
    play
}

/// The store within the directory of a pass.
pub(crate) fn store_in(directory: &Path) -> PathBuf {
    directory.join("store")
}

/// The spool within the directory of a pass.
pub(crate) fn spool_in(directory: &Path) -> PathBuf {
    directory.join("spool")
}

/// The key of an act.
pub(crate) fn key(act: u64) -> String {
    format!("act-{act}")
}

/// The time at which an office goes on: that of the last act it was acknowledged, or later if more was recorded.
pub(crate) async fn time_of(log: &dyn EventLog, play: &Play, from: u64) -> Result<Timestamp, OfficeError> {
    let head = log.head().await?;
    let last = log.read_all(Position(head.0.saturating_sub(1)), 1).await?;
    let recorded = last.first().map_or(Timestamp::MIN, |last| last.recorded_at);
    let acts = usize::try_from(from.saturating_sub(2)).expect("a scenario fits into memory");
    Ok(recorded.max(play.acts.get(acts).map_or(Timestamp::MIN, |act| act.at)))
}

/// Plays the scenario until killed or done.
pub(crate) fn run(directory: &Path) {
    let sabotage = env::var(SABOTAGE).ok().and_then(|name| Sabotage::named(&name));
    let halt = env::var(HALT).ok().map(|text| Stop::from_text(&text));
    let teller = Teller::halting_at(halt);
    let mailer: Box<dyn Mailer> = match asked::number(PORT) {
        Some(port) => Box::new(mailer_to(u16::try_from(port).expect("a port"))),
        None => Box::new(SpoolMailer::open(spool_in(directory)).expect("the spool can be made")),
    };
    let mailer = Arc::new(ToldMailer { mailer, teller: Arc::clone(&teller), sabotage });
    teller.tell("opening");
    let log = Arc::new(SledLog::open(store_in(directory)).expect("the store opens after every kill"));
    teller.tell("opened");
    let log = Arc::new(WatchedLog { log, watcher: teller.clone() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let from = asked::number(FROM).unwrap_or_default();
    let played = runtime.block_on(play_on(log, mailer, &teller, from, sabotage));
    played.expect("the demonstration is played without a failure");
    teller.tell(FINISHED);
}

async fn play_on(
    log: Arc<dyn EventLog>,
    mailer: Arc<dyn Mailer>,
    teller: &Teller,
    from: u64,
    sabotage: Option<Sabotage>,
) -> Result<(), OfficeError> {
    let play = scenario();
    let at = time_of(&*log, &play, from).await?.max(play.acts[0].at);
    let stage = Stage::resumed(&play, log, Arc::new(calendar::built_in()), Arc::clone(&mailer), at);
    delivery::recover(&stage.office, &*mailer).await?;
    stage.let_time_pass().await?;
    let acts = u64::try_from(play.acts.len()).expect("a usize has at most 64 bits");
    for act in from..=acts {
        if sabotage == Some(Sabotage::EarlyAcknowledgement) {
            teller.tell(&format!("acked {act}"));
        }
        let keyed = (sabotage != Some(Sabotage::NoKeys)).then(|| key(act));
        let request = Request { actor: ACTOR.to_owned(), idempotency_key: keyed, ..Request::default() };
        let performed = match usize::try_from(act).ok().and_then(|act| play.acts.get(act.checked_sub(1)?)) {
            Some(scripted) => stage.perform(&play, scripted, &request).await,
            None => stage.adopt_plan(&play, &request).await,
        };
        match performed {
            Ok(_) => teller.tell(&format!("acked {act}")),
            Err(OfficeError::Refused(refusal)) => teller.tell(&format!("refused {act} {}", refusal.code())),
            Err(error) => return Err(error),
        }
        stage.let_time_pass().await?;
    }
    Ok(())
}
