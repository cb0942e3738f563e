//! Speed of a store beside the limit that the disk sets: appends, replay, opening, bytes and memory.
//!
//! Only ratios taken in one run mean anything on a machine that does other work too; so the limit and the store take
//! turns, and the figures are medians of the rounds.

pub mod database;
pub mod disk;
pub mod errand;
pub mod figures;
pub mod group;
pub mod limit;
pub mod log;
pub mod rounds;
pub mod subject;
pub mod workload;
pub mod writers;

use bishui_infra::event_log::LogError;
use serde::Serialize;

use errand::{Errand, Outcome, Work};
use figures::{Peaks, Speeds, Tails, bytes_per_event, megabytes, seconds, speed};
use limit::BareDisk;
use rounds::Rounds;
use subject::{Part, Stand};
use workload::Tally;

/// Writers at once of the `group` figures.
const WRITERS: u64 = 64;
/// Events of a commit of the `batch` figures.
const BATCH: u64 = 100;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Events of the load and the replay; the timed appends are scaled down with fewer.
    pub events: u64,
    /// Streams of the scattered load; 0 to leave it out.
    pub streams: u64,
    /// Rounds behind each median.
    pub rounds: u32,
}

/// What was measured; the keys of the contract, and more.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The kind of store.
    pub store: String,
    /// The bare disk.
    pub limit: Speeds,
    /// The store.
    pub ours: Speeds,
    /// The store's speeds as shares of the limit's.
    pub ratio: Speeds,
    /// 99th percentiles of the store.
    pub p99_ms: Tails,
    /// 99th percentiles of the bare disk.
    pub limit_p99_ms: Tails,
    /// Seconds to open the loaded store in a new process.
    pub open_s: f64,
    /// The same where the process that loaded it ended without closing it.
    pub open_after_kill_s: f64,
    /// Bytes an event of the loaded store on the disk.
    pub bytes_per_event: f64,
    /// Peak memory.
    pub peak_mb: Peaks,
    /// Events loaded.
    pub events: u64,
    /// Seconds to load them in commits of 100, closing included.
    pub load_s: f64,
    /// What became of the rounds.
    pub rounds: Rounds,
    /// The same load scattered over many streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scattered: Option<Scattered>,
}

/// A load scattered over many streams.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Scattered {
    /// The streams.
    pub streams: u64,
    /// Seconds to load it in commits of 100, closing included.
    pub load_s: f64,
    /// Seconds to open it in a new process.
    pub open_s: f64,
    /// Events a second of its replay, once, in a new process.
    pub replay: f64,
    /// Bytes an event on the disk.
    pub bytes_per_event: f64,
    /// Peak memory.
    pub peak_mb: Peaks,
}

/// Measures a stand; `say` is told what is being done.
///
/// # Errors
/// What the disk or the store failed with, and `Corrupt` where the store gives back what was not written.
pub fn measure(stand: &dyn Stand, settings: Settings, say: &dyn Fn(&str)) -> Result<Report, LogError> {
    let Settings { events, streams, rounds: each } = settings;
    let mut rounds = Rounds { each, ..Rounds::default() };
    let mut next_stream = 0;
    let mut appends = |what: &str, shape| {
        say(what);
        rounds::appends(stand, shape, &mut next_stream, &mut rounds)
    };
    let one = appends("one writer", (1, (events / 100).clamp(20, 5_000), 1))?;
    let group = appends("64 writers", (WRITERS, (events / 640).clamp(2, 1_500), 1))?;
    let batch = appends("commits of 100", (1, (events / 5).clamp(2 * BATCH, 200_000), BATCH))?;
    say("loading, opening, replaying");
    let load = Loaded::new(stand, Errand { work: Work::Load, part: Part::Load, events, streams: 0 })?;
    say("replaying beside the bare file");
    let disk = BareDisk::new(stand.directory().join("bare"));
    disk.load(load.errand.run())?;
    let subject = stand.open(Part::Load)?;
    let (limit_replay, replay, tally) = rounds::replays(&disk, &*subject, rounds)?;
    drop(subject);
    load.must_have_counted(&tally)?;
    say("loading, killing, opening, replaying");
    let killed = Loaded::new(stand, Errand { work: Work::Abandon, part: Part::Killed, events, streams: 0 })?;
    killed.must_have_counted(&tally)?;
    let scattered = if streams == 0 {
        None
    } else {
        say("loading, opening, replaying: scattered over streams");
        Some(scattered(stand, &disk, events, streams.min(events))?)
    };
    let limit = Speeds { one: one.limit, group: group.limit, batch: batch.limit, replay: limit_replay };
    let ours = Speeds { one: one.ours, group: group.ours, batch: batch.ours, replay };
    Ok(Report {
        store: stand.name(),
        limit,
        ours,
        ratio: ours.over(&limit),
        p99_ms: Tails { one: one.p99_ms, group: group.p99_ms },
        limit_p99_ms: Tails { one: one.limit_p99_ms, group: group.limit_p99_ms },
        open_s: seconds(load.replaying.open),
        open_after_kill_s: seconds(killed.replaying.open),
        bytes_per_event: bytes_per_event(load.bytes, events),
        peak_mb: load.peaks(),
        events,
        load_s: seconds(load.filling.work),
        rounds,
        scattered,
    })
}

fn scattered(stand: &dyn Stand, disk: &BareDisk, events: u64, streams: u64) -> Result<Scattered, LogError> {
    let load = Loaded::new(stand, Errand { work: Work::Load, part: Part::Scattered, events, streams })?;
    disk.load(load.errand.run())?;
    load.must_have_counted(&disk.replay()?)?;
    Ok(Scattered {
        streams,
        load_s: seconds(load.filling.work),
        open_s: seconds(load.replaying.open),
        replay: speed(load.replaying.events, load.replaying.work),
        bytes_per_event: bytes_per_event(load.bytes, events),
        peak_mb: load.peaks(),
    })
}

/// A part that was filled by one process and replayed by another.
struct Loaded {
    errand: Errand,
    filling: Outcome,
    replaying: Outcome,
    bytes: u64,
}

impl Loaded {
    fn new(stand: &dyn Stand, errand: Errand) -> Result<Self, LogError> {
        let filling = errand.send(stand)?;
        let bytes = stand.bytes(errand.part)?;
        let replaying = Errand { work: Work::Replay, ..errand }.send(stand)?;
        Ok(Self { errand, filling, replaying, bytes })
    }

    fn peaks(&self) -> Peaks {
        Peaks { load: megabytes(self.filling.peak_bytes), replay: megabytes(self.replaying.peak_bytes) }
    }

    fn must_have_counted(&self, expected: &Tally) -> Result<(), LogError> {
        let Outcome { events, runs, longest, .. } = self.replaying;
        if (events, runs, longest) == (expected.events, expected.runs, expected.longest) {
            return Ok(());
        }
        let (part, expected) = (self.errand.part, expected.events);
        Err(LogError::Corrupt { what: format!("part {part} replays {events} events, not the {expected} written") })
    }
}
