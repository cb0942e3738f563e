//! Group commit by leader and followers: what waits while the disk is busy becomes one commit, led by one of those who
//! wait. No timer and no thread of its own.

use std::sync::{Condvar, Mutex, MutexGuard};

use bishui_infra::event_log::LogError;

/// Most requests of a group, and so most writers at once: each has one request waiting at most.
pub const REQUESTS_MAX: u64 = 1_024;

/// Requests on their way to a group.
pub struct GroupCommit<R> {
    state: Mutex<State<R>>,
    /// Those who wait for an even group, and those who wait for an odd one: a group is woken by one call, and only the
    /// one before it can still be waking up.
    turns: [Condvar; 2],
}

struct State<R> {
    waiting: Vec<R>,
    /// Number of the group that gathers.
    gathering: u64,
    /// Groups committed.
    committed: u64,
    /// Whether someone leads.
    led: bool,
    /// Whether a commit failed: what followed it is not known to be on the disk.
    failed: bool,
}

impl<R> Default for GroupCommit<R> {
    fn default() -> Self {
        let state = State { waiting: Vec::new(), gathering: 0, committed: 0, led: false, failed: false };
        Self { state: Mutex::new(state), turns: Default::default() }
    }
}

impl<R> GroupCommit<R> {
    /// Hands in a request and returns when its group is committed; `commit` commits a group, should this caller lead.
    ///
    /// # Errors
    /// What `commit` fails with, to the leader; `Unavailable` to its followers and to all that come later.
    pub fn submit(&self, request: R, commit: impl FnOnce(&[R]) -> Result<(), LogError>) -> Result<(), LogError> {
        let mut state = self.lock();
        state.waiting.push(request);
        let mine = state.gathering;
        loop {
            if state.committed > mine {
                return Ok(());
            }
            if state.failed {
                return Err(LogError::Unavailable { what: "the commit of a group failed".into(), source: None });
            }
            if !state.led && state.gathering == mine {
                break;
            }
            state = self.turn(mine).wait(state).expect("no holder of the group panics");
        }
        state.led = true;
        let requests = std::mem::take(&mut state.waiting);
        state.gathering += 1;
        drop(state);
        let outcome = commit(&requests);
        let mut state = self.lock();
        state.led = false;
        match outcome {
            Ok(()) => state.committed = mine + 1,
            Err(_) => state.failed = true,
        }
        let (failed, next_waits) = (state.failed, !state.waiting.is_empty());
        drop(state);
        self.turn(mine).notify_all();
        if failed {
            self.turn(mine + 1).notify_all();
        } else if next_waits {
            self.turn(mine + 1).notify_one();
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().expect("no holder of the group panics")
    }

    fn turn(&self, group: u64) -> &Condvar {
        &self.turns[usize::from(!group.is_multiple_of(2))]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn every_request_is_committed_once_before_its_answer() {
        const WRITERS: u64 = 16;
        const REQUESTS: u64 = 200;
        let group = GroupCommit::default();
        let committed: Vec<AtomicU64> = (0..WRITERS * REQUESTS).map(|_| AtomicU64::new(0)).collect();
        let place = |request: u64| &committed[usize::try_from(request).expect("few requests")];
        let commit = |requests: &[u64]| {
            for request in requests {
                place(*request).fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let group = &group;
                scope.spawn(move || {
                    for request in writer * REQUESTS..(writer + 1) * REQUESTS {
                        group.submit(request, commit).expect("the commit succeeds");
                        assert_eq!(place(request).load(Ordering::SeqCst), 1);
                    }
                });
            }
        });
        assert!(committed.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    }

    #[test]
    fn after_a_failed_commit_nothing_is_acknowledged() {
        let group = GroupCommit::default();
        group.submit(1, |_| Ok(())).expect("the commit succeeds");
        let fails = |_: &[u64]| Err(LogError::TooLarge { what: "a group", limit: 0 });
        assert!(matches!(group.submit(2, fails), Err(LogError::TooLarge { .. })));
        assert!(matches!(group.submit(3, |_| Ok(())), Err(LogError::Unavailable { .. })));
    }
}
