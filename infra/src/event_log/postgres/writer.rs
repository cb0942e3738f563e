//! The writer of a node: it records what is queued in one transaction and answers only what is committed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::commit::{APPENDING, Attempt, Outcome, Packed, append_at_once, append_locked};
use super::connections::{Connections, IDLE, is_there};
use super::failure::{failed, with_causes};
use super::ground::Ground;
use super::group::Group;
use super::wake::publish;
use crate::event_log::{Appended, Batch, LogError, Position, Recorded};

/// Most requests in one group.
const GROUP_REQUESTS_MAX: usize = 1_024;
/// Payload bytes after which a group takes no further request.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// For how long the outcome of a commit is looked for before its writers are told that it is not known.
const RESOLVE: Duration = Duration::from_secs(15);
/// The first wait between two looks; it doubles up to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(20);
const WAIT_LONGEST: Duration = Duration::from_secs(1);

/// Where a request is answered.
type Answer = oneshot::Sender<Result<Appended, LogError>>;

/// What is asked of the writer, and where to answer.
#[derive(Debug)]
pub(super) enum Request {
    /// Record a batch within the bounds.
    Append(Batch, Answer),
    /// Record events of another log as they are.
    TakeOver(Vec<Recorded>, Answer),
}

impl Request {
    /// The idempotency key it comes with.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Append(batch, _) => batch.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()),
            Self::TakeOver(..) => None,
        }
    }

    /// Payload bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Append(batch, _) => {
                batch.writes.iter().flat_map(|write| &write.events).map(|event| event.payload.len()).sum()
            }
            Self::TakeOver(events, _) => events.iter().map(|event| event.payload.len()).sum(),
        }
    }

    fn answer(self, answer: Result<Appended, LogError>) {
        let (Self::Append(_, to) | Self::TakeOver(_, to)) = self;
        // A caller that went away loses its answer, not its batch.
        drop(to.send(answer));
    }
}

/// The writer's state.
pub(super) struct Writer {
    connections: Arc<Connections>,
    connection: Option<(PgConnection, Instant)>,
    /// What is known of the log as this writer left it.
    ground: Option<Ground>,
    /// The newest head that this node knows.
    head: watch::Sender<Position>,
    /// How far this node has moved it.
    moved: watch::Sender<Position>,
}

impl Writer {
    pub(super) fn new(
        connections: Arc<Connections>,
        head: watch::Sender<Position>,
        moved: watch::Sender<Position>,
    ) -> Self {
        Self { connections, connection: None, ground: None, head, moved }
    }

    /// Serves until every sender is gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut is_alone = true;
        while let Some(first) = queue.recv().await {
            if !is_alone {
                // Those who were answered just now, and are about to ask again, come into the same group.
                yield_now().await;
            }
            let requests = drain(first, &mut queue);
            is_alone = requests.len() == 1;
            self.serve(requests).await;
        }
    }

    async fn serve(&mut self, requests: Vec<Request>) {
        match self.record(&requests).await {
            Ok(answers) => {
                for (request, answer) in requests.into_iter().zip(answers) {
                    request.answer(answer);
                }
            }
            Err(failure) => {
                for request in requests {
                    request.answer(Err(for_each(&failure)));
                }
            }
        }
    }

    /// Records what is to be recorded of `requests`; gives their answers.
    async fn record(&mut self, requests: &[Request]) -> Result<Vec<Result<Appended, LogError>>, LogError> {
        let (mut open, mut before, mut judged) = (self.connection().await?, None, None);
        let mut connection = match append_at_once(&mut open, &mut self.ground, requests).await {
            Ok(ControlFlow::Break(Outcome::Done(group))) => return Ok(self.done(Some(open), group)),
            Ok(ControlFlow::Break(Outcome::Unknown(attempt))) => {
                before = Some(attempt);
                None
            }
            Ok(ControlFlow::Break(Outcome::Lost(_))) => None,
            Ok(ControlFlow::Continue(group)) => {
                judged = group;
                Some(open)
            }
            Err(failure) => {
                self.ground = None;
                return Err(failure);
            }
        };
        let (mut until, mut wait, mut lost_before) = (None, WAIT_FIRST, false);
        loop {
            match self.record_locked(&mut connection, judged.take(), &mut before, requests).await {
                Ok(Outcome::Done(group)) => return Ok(self.done(connection, group)),
                Ok(Outcome::Unknown(attempt)) => before = Some(attempt),
                Ok(Outcome::Lost(error)) if before.is_none() && lost_before => return Err(failed(APPENDING, error)),
                Ok(Outcome::Lost(_)) => lost_before = true,
                Err(failure) if before.is_none() => return Err(failure),
                // With an earlier attempt open, only looking again can tell what to answer.
                Err(failure) => tracing::warn!(error = &failure as &dyn std::error::Error, "a commit is in doubt"),
            }
            connection = None;
            if before.is_some() {
                let until = *until.get_or_insert_with(|| Instant::now() + RESOLVE);
                if let Some(attempt) = before.take_if(|_| Instant::now() >= until) {
                    return Err(attempt.unresolved());
                }
                sleep(wait).await;
                wait = (wait * 2).min(WAIT_LONGEST);
            }
        }
    }

    async fn record_locked(
        &mut self,
        connection: &mut Option<PgConnection>,
        judged: Option<Packed>,
        before: &mut Option<Attempt>,
        requests: &[Request],
    ) -> Result<Outcome, LogError> {
        let remembered = self.ground.take();
        let (open, remembered) = if let Some(open) = connection {
            (open, remembered)
        } else {
            // The server may be another one: what was remembered of the lost one is forgotten.
            self.connections.forget();
            (connection.insert(self.connections.connect().await?), None)
        };
        let (outcome, ground) = append_locked(open, remembered, judged, requests, before).await?;
        self.ground = ground;
        Ok(outcome)
    }

    /// The connection that was used last if it is still there, or a new one. Nothing has been sent when this fails.
    async fn connection(&mut self) -> Result<PgConnection, LogError> {
        if let Some((mut connection, since)) = self.connection.take() {
            if since.elapsed() < IDLE || is_there(&mut connection).await {
                return Ok(connection);
            }
            self.connections.forget();
        }
        self.ground = None;
        self.connections.connect().await
    }

    fn done(&mut self, connection: Option<PgConnection>, group: Group) -> Vec<Result<Appended, LogError>> {
        self.connection = connection.map(|connection| (connection, Instant::now()));
        if !group.is_empty() {
            publish(&self.head, group.last());
            self.moved.send_replace(group.last());
        }
        group.answers
    }
}

/// The first request and what else is queued, up to the bounds of a group.
fn drain(first: Request, queue: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut bytes = first.weight();
    let mut requests = vec![first];
    while requests.len() < GROUP_REQUESTS_MAX
        && bytes < GROUP_BYTES_MAX
        && let Ok(request) = queue.try_recv()
    {
        bytes += request.weight();
        requests.push(request);
    }
    requests
}

/// The same failure for each request of a group.
fn for_each(failure: &LogError) -> LogError {
    match failure {
        LogError::Corrupt { what } => LogError::Corrupt { what: what.clone() },
        LogError::Conflict { .. }
        | LogError::KeyReused { .. }
        | LogError::CheckpointMoved { .. }
        | LogError::Deposed { .. }
        | LogError::TooLarge { .. }
        | LogError::InUse { .. }
        | LogError::Unavailable { .. } => LogError::Unavailable { what: with_causes(failure), source: None },
    }
}
