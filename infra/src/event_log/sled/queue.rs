//! Work that waits for the writer, and the thread that carries it out in groups.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::spawn;
use super::writer::{Work, Writer};
use crate::event_log::{Appended, LogError};

/// Pieces of work that may wait; further callers wait to queue.
const WAITING_MAX: usize = 4_096;
/// Most pieces of work in one group.
const GROUP_MAX: usize = 1_024;
/// Bytes after which a group takes no further piece.
const GROUP_BYTES: usize = 8 << 20;

/// Times the processor is offered to others without anyone having come.
const IDLE_YIELDS: usize = 8;

type Answer = Result<Appended, LogError>;
type Waiting = (Work, oneshot::Sender<Answer>);

/// The queue before the writer.
pub(super) struct Queue {
    /// Both are there until it is stopped.
    sender: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    waiting: Arc<AtomicUsize>,
    /// Whether groups have lately been of one piece: then who finds the writer idle need not wait for others.
    alone: Arc<AtomicBool>,
}

impl Queue {
    /// Starts the thread that serves the queue with `writer`.
    pub(super) fn start(writer: Arc<Mutex<Writer>>) -> Result<Self, LogError> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::<AtomicUsize>::default();
        let alone = Arc::new(AtomicBool::new(true));
        let server = Server { waiting: Arc::clone(&waiting), alone: Arc::clone(&alone) };
        let thread = spawn("event-log", move || server.run(&writer, receiver))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), waiting, alone })
    }

    /// Whether nobody waits, and nobody is expected to.
    pub(super) fn is_idle(&self) -> bool {
        self.alone.load(Ordering::Relaxed) && self.waiting.load(Ordering::Acquire) == 0
    }

    /// Queues `work` and waits for its answer. A caller that stops waiting does not withdraw it.
    pub(super) async fn ask(&self, work: Work) -> Answer {
        let (answer, answered) = oneshot::channel();
        let sender = self.sender.as_ref().ok_or_else(stopped)?;
        let place = sender.reserve().await.map_err(|_| stopped())?;
        self.waiting.fetch_add(1, Ordering::AcqRel);
        place.send((work, answer));
        answered.await.map_err(|_| stopped())?
    }

    /// Waits until everything queued is done.
    pub(super) fn stop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the event log had stopped with a panic");
        }
    }
}

/// The answer when there is no writer any more.
pub(super) fn stopped() -> LogError {
    LogError::Unavailable { what: "the writer has stopped".into(), source: None }
}

struct Server {
    waiting: Arc<AtomicUsize>,
    alone: Arc<AtomicBool>,
}

impl Server {
    fn run(&self, writer: &Mutex<Writer>, mut queue: mpsc::Receiver<Waiting>) {
        let mut answered = 0;
        while let Some(first) = queue.blocking_recv() {
            await_company(&queue, answered);
            // A panic of a caller that wrote by itself ends the log for all: what is on the disk is not known then.
            let Ok(mut writer) = writer.lock() else { return };
            let group = drain(first, &mut queue);
            let answers = writer.serve(group.iter().map(|(work, _)| work));
            drop(writer);
            answered = group.len();
            self.alone.store(answered == 1, Ordering::Relaxed);
            self.waiting.fetch_sub(answered, Ordering::AcqRel);
            for ((_, to), answer) in group.into_iter().zip(answers) {
                // A caller that went away loses its answer, not its batch.
                drop(to.send(answer));
            }
        }
    }
}

/// Those just answered are likely to ask again at once: lets them run, as long as more of them come each time.
fn await_company(queue: &mpsc::Receiver<Waiting>, answered: usize) {
    let mut before = 0;
    let mut idle = 0;
    while queue.len() + 1 < answered && idle < IDLE_YIELDS {
        std::thread::yield_now();
        idle = if queue.len() > before { 0 } else { idle + 1 };
        before = queue.len();
    }
}

/// The first piece and what else is queued, up to the bounds of a group.
fn drain(first: Waiting, queue: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    let mut bytes = first.0.weight();
    let mut group = vec![first];
    while group.len() < GROUP_MAX
        && bytes < GROUP_BYTES
        && let Ok(next) = queue.try_recv()
    {
        bytes += next.0.weight();
        group.push(next);
    }
    group
}
