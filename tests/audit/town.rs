//! A small log with a bit of everything, proved by a notary.

use std::sync::Arc;

use bishui::drill::Stage;
use bishui::scenario::Play;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, Position, Recorded};
use bishui_infra::mail::SinkMailer;
use bishui_infra::transparency::audit::{Audit, Claim, audit};
use bishui_infra::transparency::checkpoint::Checkpoint;
use bishui_infra::transparency::notary::Notary;
use bishui_tests::copied_log::CopiedLog;
use tempfile::TempDir;

/// A county with one section.
const PLAN: &str = r#"
[plan]
id = "p-2020"
municipality = "聊城市"
year = 2020
time_zone = "Asia/Shanghai"

[[county]]
id = "g"
name = "高唐县"
kind = "county"
emails = ["office@g.example"]

[[section]]
id = "a"
name = "高唐北湖"
water = "高唐湖"
kind = "river"
county = "g"
level = "national"
target = "III"
"#;
/// A month missed, a notice sent, money paid.
const SCENARIO: &str = r#"
plan = "plan.toml"

[[act]]
at = "2020-02-03T09:00:00+08:00"
do = "import"
file = "january.csv"

[[act]]
at = "2020-02-03T10:00:00+08:00"
do = "publish"
cadence = "month"
period = "2020-01"

[[act]]
at = "2020-05-10T09:00:00+08:00"
do = "pay"
county = "g"
fen = 50_000_000
"#;

/// A proved log: checkpoints were signed over its first third, over two thirds, and over all of it.
pub(crate) struct Proved {
    pub(crate) dir: TempDir,
    pub(crate) notary: Notary,
    pub(crate) events: Vec<Recorded>,
}

/// Plays the scenario onto a log.
pub(crate) async fn play(log: &Arc<dyn EventLog>) {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("plan.toml", PLAN);
    write("january.csv", "section,time,source,ph,do,codmn,nh3n\na,2020-01-05,national,7,8,3,1.12\n");
    write("scenario.toml", SCENARIO);
    let play = Play::read(&dir.path().join("scenario.toml")).unwrap();
    let calendar = Arc::new(bishui_infra::calendar::built_in());
    let stage = Stage::new(&play, Arc::clone(log), calendar, Arc::new(SinkMailer::default()));
    assert_eq!(stage.play(&play, |_| ()).await.unwrap(), []);
}

impl Proved {
    pub(crate) async fn new() -> Self {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        play(&log).await;
        let events = log.read_all(Position(0), 1_000).await.unwrap();
        assert!(events.len() >= 15, "a bit of everything: {}", events.len());
        let dir = tempfile::tempdir().unwrap();
        let mut notary = Notary::open(dir.path(), None).unwrap();
        for part in [events.len() / 3, events.len() * 2 / 3, events.len()] {
            notary.checkpoint(&CopiedLog(events[..part].to_vec())).await.unwrap();
        }
        Self { dir, notary, events }
    }

    /// What the checkpoints of the log claim.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        self.notary.checkpoints().iter().map(claim).collect()
    }

    /// Audits events in place of the log's.
    pub(crate) async fn audit(&self, events: Vec<Recorded>) -> Audit {
        audit(&CopiedLog(events), &self.notary.tiles().unwrap(), &self.claims()).await.unwrap()
    }
}

/// The claim of a checkpoint, named after its size.
pub(crate) fn claim(checkpoint: &Checkpoint) -> Claim {
    Claim { from: format!("checkpoint of {}", checkpoint.head.size), head: checkpoint.head, own: true }
}
