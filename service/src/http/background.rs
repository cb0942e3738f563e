//! Background work: following through, mail, deadlines and checkpoints.
//!
//! A failure is an incident that is shown until the work succeeds again; it is tried again after a pause and never
//! ends the service. A stop is taken between two turns, so that an attempt under way is finished.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bishui_infra::event_log::Position;
use bishui_infra::mail::Mailer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::App;
use crate::audit::Question;
use crate::error::OfficeError;
use crate::{deadlines, delivery};

/// Pause before work that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause of the mail worker.
const MAIL_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks at the deadlines.
const DEADLINES_PAUSE: Duration = Duration::from_mins(1);

/// Longest pause between two checkpoints while something is recorded.
const CHECKPOINT_PAUSE: Duration = Duration::from_hours(1);

/// Starts all background work; it ends when `stop` turns true.
pub(super) fn start(app: &App, mailer: Arc<dyn Mailer>, from: String, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut work = JoinSet::new();
    work.spawn(follow_through(app.clone(), stop.clone()));
    work.spawn(mail(app.clone(), mailer, from, stop.clone()));
    work.spawn(watch_deadlines(app.clone(), stop.clone()));
    work.spawn(sign_checkpoints(app.clone(), stop.clone()));
    work
}

async fn follow_through(app: App, mut stop: watch::Receiver<bool>) {
    let mut head = app.office.log().watch();
    loop {
        let done = app.incidents.note("processes", app.office.follow_through().await);
        let pause = if done { Pause::UntilMoved(Duration::MAX) } else { Pause::Fixed(RETRY_PAUSE) };
        if !wait(pause, &mut head, &mut stop).await {
            return;
        }
    }
}

async fn mail(app: App, mailer: Arc<dyn Mailer>, from: String, mut stop: watch::Receiver<bool>) {
    let mut head = app.office.log().watch();
    let mut recovered = false;
    loop {
        let done = app.incidents.note("mail", deliver(&app, &*mailer, &from, &mut recovered).await);
        let next = app.office.register().next_mail();
        let until = next.and_then(|at| Duration::try_from(at.duration_since(app.office.now())).ok());
        let until = until.unwrap_or(MAIL_PAUSE_MAX).min(MAIL_PAUSE_MAX);
        let pause = if done { Pause::UntilMoved(until) } else { Pause::Fixed(RETRY_PAUSE) };
        if !wait(pause, &mut head, &mut stop).await {
            return;
        }
    }
}

async fn deliver(app: &App, mailer: &dyn Mailer, from: &str, recovered: &mut bool) -> Result<(), OfficeError> {
    if !*recovered {
        delivery::recover(&app.office, mailer).await?;
        *recovered = true;
    }
    delivery::deliver_due(&app.office, mailer, from).await.map(|_| ())
}

async fn watch_deadlines(app: App, mut stop: watch::Receiver<bool>) {
    let mut head = app.office.log().watch();
    loop {
        let done = app.incidents.note("deadlines", deadlines::fire_due(&app.office).await);
        let pause = Pause::Fixed(if done { DEADLINES_PAUSE } else { RETRY_PAUSE });
        if !wait(pause, &mut head, &mut stop).await {
            return;
        }
    }
}

/// Signs a checkpoint at the start, at each published round, and every hour in which something was recorded.
async fn sign_checkpoints(app: App, mut stop: watch::Receiver<bool>) {
    let mut head = app.office.log().watch();
    let (mut signed_at, mut rounds) = (None::<Instant>, None);
    loop {
        // The register knows of a publication once everything that follows from it is recorded. Where that fails, it
        // is the incident of the processes.
        app.office.follow_through().await.ok();
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
        if !wait(pause, &mut head, &mut stop).await {
            return;
        }
    }
}

/// How long a worker waits.
enum Pause {
    /// This long.
    Fixed(Duration),
    /// This long, or until the log moves.
    UntilMoved(Duration),
}

/// Waits; false when the work is to stop.
async fn wait(pause: Pause, head: &mut watch::Receiver<Position>, stop: &mut watch::Receiver<bool>) -> bool {
    let (pause, wakes) = match pause {
        Pause::Fixed(pause) => (pause, false),
        Pause::UntilMoved(pause) => (pause, true),
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => false,
        changed = head.changed(), if wakes => changed.is_ok(),
        () = tokio::time::sleep(pause) => true,
    }
}
