//! Several notaries on one directory: a service, commands beside it, other nodes of the store.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bishui::audit::{Desk, Question};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{Batch, EventLog, Expected, LogError, NewEvent, Recorded, StreamId, StreamWrite};
use bishui_infra::transparency::ProofError;
use bishui_infra::transparency::audit::audit;
use bishui_infra::transparency::checkpoint::Checkpoint;
use bishui_infra::transparency::notary::Notary;
use bishui_tests::copied_log::CopiedLog;
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};
use uuid::Uuid;

use crate::bundle::batch;
use crate::town::{Proved, claim, play};

#[tokio::test]
async fn what_one_has_signed_the_other_continues() {
    let events = Proved::new().await.events;
    let dir = tempfile::tempdir().unwrap();
    let mut service = Notary::open(dir.path(), None).unwrap();
    let mut command = Notary::open(dir.path(), None).unwrap();
    let log = |size: usize| CopiedLog(events[..size].to_vec());
    let mut signed = vec![service.checkpoint(&log(5)).await.unwrap()];
    signed.push(command.checkpoint(&log(6)).await.unwrap());
    signed.push(service.checkpoint(&log(8)).await.unwrap());
    assert_eq!(command.checkpoint(&log(8)).await.unwrap(), signed[2], "nothing is signed twice");
    signed.push(command.checkpoint(&log(11)).await.unwrap());
    assert_eq!(Notary::open(dir.path(), None).unwrap().checkpoints(), signed);
    // What only the other has hashed binds this one too.
    let mut forked = events.clone();
    forked[10].actor = "其他人".to_owned();
    let refused = service.checkpoint(&CopiedLog(forked)).await.unwrap_err();
    assert!(matches!(refused, ProofError::Fork { size: 11 }), "{refused}");
    let refused = service.checkpoint(&log(10)).await.unwrap_err();
    assert!(matches!(refused, ProofError::Truncated { events: 10, covered: 11 }), "{refused}");
    for old in &signed {
        service.continuation(&log(11), old.head).await.unwrap();
    }
}

#[test]
fn many_that_sign_at_once_leave_one_list_of_continuations() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let events = runtime().block_on(Proved::new()).events;
    let dir = tempfile::tempdir().unwrap();
    let work = || {
        let mut notary = Notary::open(dir.path(), None).unwrap();
        let mut signed: Vec<Checkpoint> = Vec::new();
        for size in 1..=events.len() {
            match runtime().block_on(notary.checkpoint(&CopiedLog(events[..size].to_vec()))) {
                Ok(checkpoint) => signed.push(checkpoint),
                // Another was faster, with more events.
                Err(error) => assert!(matches!(error, ProofError::Truncated { .. }), "{error}"),
            }
        }
        signed
    };
    let signed: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let notary = Notary::open(dir.path(), None).unwrap();
    assert!(signed.iter().all(|checkpoint| notary.checkpoints().contains(checkpoint)), "one was lost");
    assert!(notary.checkpoints().is_sorted_by(|one, next| one.head.size < next.head.size));
    let claims: Vec<_> = notary.checkpoints().iter().map(claim).collect();
    let found = runtime().block_on(audit(&CopiedLog(events), &notary.tiles().unwrap(), &claims)).unwrap();
    assert_eq!((found.differences, found.checkpoints), (vec![], claims.len()));
}

/// Looks at the directory each time a page of the log is read.
struct Beside {
    dir: PathBuf,
    pages: AtomicUsize,
}

impl Watcher for Beside {
    fn before(&self, _: Write<'_>) -> Result<(), LogError> {
        unreachable!("a reader writes nothing")
    }

    fn after(&self, _: Write<'_>) {
        unreachable!("a reader writes nothing")
    }

    fn read(&self, _: &mut Vec<Recorded>) {
        self.pages.fetch_add(1, Ordering::SeqCst);
        let lock = File::options().write(true).open(self.dir.join("lock")).unwrap();
        assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)), "nobody else adds hashes now");
        // What another process reads meanwhile: it neither waits nor cuts off what is being added.
        let hashes = self.dir.join("level-0");
        std::fs::write(&hashes, [7; 320]).unwrap();
        let reader = Notary::open(&self.dir, None).unwrap();
        assert_eq!(reader.tiles().unwrap().size(), 0, "nothing was signed yet");
        assert_eq!(std::fs::read(&hashes).unwrap(), [7; 320]);
        std::fs::write(hashes, []).unwrap();
    }
}

#[tokio::test]
async fn who_catches_up_is_alone_and_does_not_keep_readers_out() {
    let Proved { notary: proved, events, .. } = Proved::new().await;
    let dir = tempfile::tempdir().unwrap();
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let watcher = Arc::new(Beside { dir: dir.path().to_owned(), pages: AtomicUsize::new(0) });
    let log = WatchedLog { log: Arc::new(CopiedLog(events)), watcher: watcher.clone() };
    let checkpoint = notary.checkpoint(&log).await.unwrap();
    assert_eq!(Some(checkpoint.head), proved.checkpoints().last().map(|last| last.head));
    assert!(watcher.pages.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_service_and_a_command_answer_from_one_list() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    play(&log).await;
    let dir = tempfile::tempdir().unwrap();
    let service = Arc::new(Desk::open(dir.path(), None).unwrap());
    service.answer(&log, Question::Checkpoint).await.unwrap();
    append(&*log, 1).await;
    let command = Arc::new(Desk::open(dir.path(), None).unwrap());
    let signed = command.answer(&log, Question::Checkpoint).await.unwrap();
    let verified = service.answer(&log, Question::Verify { checkpoints: vec![] }).await.unwrap();
    assert_eq!((&verified["sound"], &verified["checkpoints"]), (&true.into(), &2.into()), "{verified}");
    assert_eq!(service.newest().map(|newest| newest.note).as_deref(), signed["checkpoint"].as_str());
    append(&*log, 2).await;
    service.answer(&log, Question::Checkpoint).await.unwrap();
    let verified = command.answer(&log, Question::Verify { checkpoints: vec![] }).await.unwrap();
    assert_eq!((&verified["sound"], &verified["checkpoints"]), (&true.into(), &3.into()), "{verified}");
    let since = ("the command's".to_owned(), signed["checkpoint"].as_str().unwrap().to_owned());
    service.answer(&log, Question::Continue { since }).await.unwrap();
}

async fn append(log: &dyn EventLog, number: u128) {
    let event = NewEvent { kind: "test.recorded".into(), schema: 1, payload: "{}".into() };
    let stream = StreamId::new("test", number);
    let write = StreamWrite { stream, expected: Expected::Any, events: vec![event] };
    let batch = Batch { id: Uuid::from_u128(number), ..batch(write) };
    log.append(batch).await.unwrap();
}
