//! Background work: keeping the leases, following through, mail, deadlines and checkpoints.
//!
//! Every piece is done by the node that has its lease; the others wait for it to become free. A failure is an incident
//! that is shown until the work succeeds again; it is tried again after a pause and never ends the service. Work that
//! breaks off by itself does: nobody else would do it while its lease is kept here. A stop is taken between two turns, so
//! that an attempt under way is finished, and gives the leases back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bishui_infra::event_log::Position;
use bishui_infra::mail::Mailer;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::App;
use crate::audit::Question;
use crate::lease::Work;
use crate::office::Office;
use crate::{deadlines, delivery};

/// Pause before work that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Least pause of the mail worker: what is due after a turn could not be done in it.
const MAIL_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Its longest pause.
const MAIL_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks at the deadlines.
const DEADLINES_PAUSE: Duration = Duration::from_mins(1);

/// Longest pause between two checkpoints while something is recorded.
const CHECKPOINT_PAUSE: Duration = Duration::from_hours(1);

/// The background work of a service; dropped, it breaks off and its leases run out.
pub(super) struct Background {
    office: Arc<Office>,
    work: JoinSet<()>,
    /// Renews the leases for as long as work is under way.
    keeper: JoinSet<()>,
}

impl Background {
    /// Starts all background work; it ends when `stop` turns true.
    pub(super) fn start(app: &App, mailer: Arc<dyn Mailer>, from: String, stop: &watch::Receiver<bool>) -> Self {
        let (mut work, mut keeper) = (JoinSet::new(), JoinSet::new());
        let office = Arc::clone(&app.office);
        let kept = Arc::clone(&office);
        keeper.spawn(async move { match kept.leases.keep(&**kept.log()).await {} });
        work.spawn(follow_through(app.clone(), Alarm::new(&office, stop)));
        work.spawn(mail(app.clone(), mailer, from, Alarm::new(&office, stop)));
        work.spawn(watch_deadlines(app.clone(), Alarm::new(&office, stop)));
        work.spawn(sign_checkpoints(app.clone(), Alarm::new(&office, stop)));
        Self { office, work, keeper }
    }

    /// Ends when a piece of work has broken off by a fault of the program, with that fault; not when the work stops because
    /// it is told to.
    pub(super) async fn broken_off(&mut self) -> JoinError {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.work.join_next() => ended,
                Some(ended) = self.keeper.join_next() => ended,
                else => std::future::pending().await,
            };
            if let Err(fault) = ended {
                return fault;
            }
        }
    }

    /// Waits until all work has stopped, at most `within`, and gives the leases back. False when work was cut short: its
    /// leases run out by themselves, so that nobody takes over what may still be under way.
    pub(super) async fn end(mut self, within: Duration) -> bool {
        let ended =
            tokio::time::timeout(within, async { while self.work.join_next().await.is_some() {} }).await.is_ok();
        self.keeper.shutdown().await;
        if ended {
            self.office.leases.end_all(&**self.office.log()).await;
        }
        ended
    }
}

async fn follow_through(app: App, mut alarm: Alarm) {
    loop {
        let done = app.incidents.note("processes", app.office.advance().await);
        // What another node tries again is not waited for here.
        let ours = app.office.leases.working().contains(&Work::Processes);
        let next = app.office.stops.next().filter(|_| ours).map(|next| until(&app.office, next));
        let pause = if done { Pause::UntilMoved(next.unwrap_or(Duration::MAX)) } else { Pause::Fixed(RETRY_PAUSE) };
        if !alarm.wait(pause).await {
            return;
        }
    }
}

async fn mail(app: App, mailer: Arc<dyn Mailer>, from: String, mut alarm: Alarm) {
    loop {
        let delivered = delivery::deliver_due(&app.office, &*mailer, &from).await;
        let done = app.incidents.note("mail", delivered.map(drop));
        // What another node sends is not waited for here.
        let ours = app.office.leases.working().contains(&Work::Mail);
        let next = app.office.register().next_mail().filter(|_| ours);
        let until = next.map_or(MAIL_PAUSE_MAX, |at| until(&app.office, at).clamp(MAIL_PAUSE_MIN, MAIL_PAUSE_MAX));
        let pause = if done { Pause::UntilMoved(until) } else { Pause::Fixed(RETRY_PAUSE) };
        if !alarm.wait(pause).await {
            return;
        }
    }
}

async fn watch_deadlines(app: App, mut alarm: Alarm) {
    loop {
        let done = app.incidents.note("deadlines", deadlines::fire_due(&app.office).await);
        let pause = Pause::Fixed(if done { DEADLINES_PAUSE } else { RETRY_PAUSE });
        if !alarm.wait(pause).await {
            return;
        }
    }
}

/// Signs a checkpoint at the start, at each published round, and every hour in which something was recorded.
async fn sign_checkpoints(app: App, mut alarm: Alarm) {
    let (mut signed_at, mut rounds) = (None::<Instant>, None);
    loop {
        // The register knows of a publication once everything that follows from it is recorded. Where that fails, it
        // is the incident of the processes.
        app.office.advance().await.ok();
        let published = app.office.register().rounds.len();
        let pause = if rounds == Some(published) && signed_at.is_some_and(|at| at.elapsed() < CHECKPOINT_PAUSE) {
            Pause::UntilMoved(CHECKPOINT_PAUSE)
        } else {
            let answer = app.desk.answer(app.office.log(), Question::Checkpoint).await;
            if app.incidents.note("checkpoints", answer.map(|_| ())) {
                (signed_at, rounds) = (Some(Instant::now()), Some(published));
                Pause::UntilMoved(CHECKPOINT_PAUSE)
            } else {
                Pause::Fixed(RETRY_PAUSE)
            }
        };
        if !alarm.wait(pause).await {
            return;
        }
    }
}

/// Time until an instant; long when it is out of reach.
fn until(office: &Office, at: Timestamp) -> Duration {
    let now = office.now();
    if at <= now {
        return Duration::ZERO;
    }
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::MAX)
}

/// How long a worker waits, unless it gets a lease that it did not have.
enum Pause {
    /// This long.
    Fixed(Duration),
    /// This long, or until the log moves.
    UntilMoved(Duration),
}

/// What wakes a worker.
struct Alarm {
    head: watch::Receiver<Position>,
    leases: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
}

impl Alarm {
    fn new(office: &Office, stop: &watch::Receiver<bool>) -> Self {
        Self { head: office.log().watch(), leases: office.leases.watch(), stop: stop.clone() }
    }

    /// Waits; false when the work is to stop.
    async fn wait(&mut self, pause: Pause) -> bool {
        let (pause, wakes) = match pause {
            Pause::Fixed(pause) => (pause, false),
            Pause::UntilMoved(pause) => (pause, true),
        };
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            changed = self.head.changed(), if wakes => changed.is_ok(),
            changed = self.leases.changed() => changed.is_ok(),
            () = tokio::time::sleep(pause) => true,
        }
    }
}
