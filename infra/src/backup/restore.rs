//! Restoring a log from a backup, up to a position or an instant, and checking a backup without restoring it.

use std::ops::ControlFlow;

use bishui_domain::attachment::Attachment;
use bishui_domain::sha256::Sha256;
use jiff::Timestamp;

use super::line::leaf_of;
use super::lost::{Lost, fault};
use super::{ATTACHMENTS_DIR, BackupError, Reader};
use crate::attachments::{AttachmentError, Attachments};
use crate::codec;
use crate::event_log::leaf::leaf_hash;
use crate::event_log::{EventLog, EventRef, LogError, Position, Recorded};
use crate::transparency::tree::Frontier;

/// Events that are recorded in one step, unless one batch has more.
const GROUP_EVENTS: usize = 2_000;
/// Bytes of payload that are recorded in one step, unless one batch has more.
const GROUP_BYTES: usize = 4 << 20;

/// What to do where an attachment is lost.
const WITHOUT: &str = "`bishui backup verify` names every such one, `bishui restore --accept-loss` restores the rest";

/// How far a log is restored, always to the end of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To the end of the backup.
    End,
    /// Up to the last batch that ends at or before this position.
    Position(Position),
    /// Up to the first batch that was recorded after this instant.
    Time(Timestamp),
}

impl Until {
    /// Whether a batch with this last event is restored.
    fn admits(self, last: &Recorded) -> bool {
        match self {
            Self::End => true,
            Self::Position(position) => last.position <= position,
            Self::Time(time) => last.recorded_at <= time,
        }
    }

    /// Whether nothing after `position` is restored: what follows need not be readable then.
    fn is_reached(self, position: Position) -> bool {
        match self {
            Self::End | Self::Time(_) => false,
            Self::Position(last) => position >= last,
        }
    }
}

/// What becomes of a restore when attachments are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It ends at the first.
    Refused,
    /// It goes on without them.
    Accepted,
}

/// What was restored, or checked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// Events; the last position.
    pub events: u64,
    /// Attachments that they name.
    pub attachments: u64,
    /// Those of them that the backup does not have as they were, nor the restored store.
    pub lost: Vec<Lost>,
    /// Root of the tree over the events.
    pub root: Sha256,
}

/// Records the events of a backup in an empty `log` exactly as they were, copies their attachments to `attachments`,
/// and reads the log back to compare it. After an error the log is not to be used.
///
/// # Errors
/// A log with events, a damaged backup, a lost attachment unless that is accepted, or a failure of a file or the log.
pub async fn restore(
    mut reader: Reader,
    until: Until,
    loss: Loss,
    log: &dyn EventLog,
    attachments: &Attachments,
) -> Result<Restored, BackupError> {
    let head = log.head().await?;
    if head > Position(0) {
        return Err(BackupError::NotEmpty { head });
    }
    let last = Position(reader.manifest().events);
    match until {
        Until::Position(position) if position > last => return Err(BackupError::TooShort { last }),
        Until::End | Until::Position(_) | Until::Time(_) => {}
    }
    let copies = Attachments::at(reader.dir().join(ATTACHMENTS_DIR));
    let mut pass = Pass::default();
    let mut group = Group::default();
    while !until.is_reached(pass.position())
        && let Some(batch) = reader.next_batch()?
    {
        if !batch.last().is_some_and(|last| until.admits(last)) {
            break;
        }
        for (event, named) in pass.take(&batch)? {
            match copies.check(&named) {
                Ok(()) => attachments.copy_from(&copies, named.sha256)?,
                // The directory it is restored to may have outlived the rest.
                Err(_) if attachments.check(&named).is_ok() => {}
                Err(error) => match loss {
                    Loss::Refused => return Err(damaged(error)),
                    Loss::Accepted => pass.lose(event, named, &error),
                },
            }
        }
        if group.is_full() {
            log.take_over(std::mem::take(&mut group).events).await?;
        }
        group.add(batch);
    }
    reader.finish_part(pass.position())?;
    if !group.events.is_empty() {
        log.take_over(group.events).await?;
    }
    compare(log, &pass.frontier).await?;
    Ok(pass.restored())
}

/// Reads a whole backup and compares everything in it. What is wrong with attachments is an answer, so that all of them
/// are named.
///
/// # Errors
/// Damaged events, or a file that cannot be read.
pub fn verify(mut reader: Reader) -> Result<Restored, BackupError> {
    let copies = Attachments::at(reader.dir().join(ATTACHMENTS_DIR));
    let mut pass = Pass::default();
    while let Some(batch) = reader.next_batch()? {
        for (event, named) in pass.take(&batch)? {
            if let Err(error) = copies.check(&named) {
                pass.lose(event, named, &error);
            }
        }
    }
    Ok(pass.restored())
}

/// What has been read so far.
#[derive(Default)]
struct Pass {
    frontier: Frontier,
    attachments: u64,
    lost: Vec<Lost>,
}

impl Pass {
    /// Counts a batch and gives the attachments that its events name.
    fn take(&mut self, batch: &[Recorded]) -> Result<Vec<(Position, Attachment)>, BackupError> {
        let mut named = Vec::new();
        for event in batch {
            self.frontier.push(leaf_of(event).0);
            let of_event = codec::attachments(&EventRef::from(event))?;
            named.extend(of_event.into_iter().map(|attachment| (event.position, attachment)));
        }
        self.attachments += named.len() as u64;
        Ok(named)
    }

    fn position(&self) -> Position {
        Position(self.frontier.size())
    }

    fn lose(&mut self, event: Position, named: Attachment, error: &AttachmentError) {
        let Attachment { name, sha256, .. } = named;
        self.lost.push(Lost { event, name, sha256, fault: fault(error) });
    }

    fn restored(self) -> Restored {
        let Self { frontier, attachments, lost } = self;
        Restored { events: frontier.size(), attachments, lost, root: Sha256(frontier.root()) }
    }
}

/// Whole batches that are recorded in one step.
#[derive(Default)]
struct Group {
    events: Vec<Recorded>,
    bytes: usize,
}

impl Group {
    fn is_full(&self) -> bool {
        self.events.len() >= GROUP_EVENTS || self.bytes >= GROUP_BYTES
    }

    fn add(&mut self, batch: Vec<Recorded>) {
        self.bytes += batch.iter().map(|event| event.payload.len()).sum::<usize>();
        self.events.extend(batch);
    }
}

/// Reads the log back: its events must give the root of those that were recorded.
async fn compare(log: &dyn EventLog, recorded: &Frontier) -> Result<(), BackupError> {
    let mut found = Frontier::default();
    log.replay(Position(0), Position(u64::MAX), &mut |event| {
        found.push(leaf_hash(&event));
        ControlFlow::Continue(())
    })
    .await?;
    if found == *recorded {
        return Ok(());
    }
    let what = "what was restored reads back differently".to_owned();
    Err(LogError::Corrupt { what }.into())
}

/// An attachment that a backup lacks is damage of the backup.
fn damaged(error: AttachmentError) -> BackupError {
    match error {
        AttachmentError::Missing { sha256, dir } => {
            let what = format!("the attachment {sha256} is missing; {WITHOUT}");
            BackupError::Damaged { path: dir, line: None, what }
        }
        AttachmentError::Altered { sha256, path } => {
            let what = format!("it is not the attachment {sha256}; {WITHOUT}");
            BackupError::Damaged { path, line: None, what }
        }
        AttachmentError::OtherSize { .. } | AttachmentError::Size | AttachmentError::File { .. } => error.into(),
    }
}
