//! Embedded stores behind one face, with the group commit of the limit in front: none of them brings one that does not
//! wait on a timer.
//!
//! Each keeps only stream number, version and payload: less than our log keeps, to its advantage. One call to
//! `commit` is one durable transaction that has checked every version.

use bishui::bench::group::GroupCommit;
use bishui::bench::subject::Subject;
use bishui::bench::workload::{Fact, Run, Tally};
use bishui::bench::writers::{Timed, on_threads};
use bishui_infra::event_log::{LogError, StreamId, StreamVersion};

/// Takes each event of a replay: its stream and its payload.
pub(crate) type Count<'a> = dyn FnMut(u64, &[u8]) -> Result<(), LogError> + 'a;

/// An embedded store that is open.
pub(crate) trait Embedded: Sync {
    /// Records the requests of a group in one durable transaction. One call runs at a time.
    fn commit(&self, requests: &[Vec<Fact>]) -> Result<(), LogError>;

    /// Lends every event in order.
    fn each(&self, count: &mut Count<'_>) -> Result<(), LogError>;
}

/// An embedded store with group commit.
pub(crate) struct Grouped<E>(pub(crate) E);

impl<E: Embedded> Subject for Grouped<E> {
    fn append(&self, run: Run) -> Result<Timed, LogError> {
        let group = GroupCommit::default();
        let commit = |requests: &[Vec<Fact>]| self.0.commit(requests);
        on_threads(run, |facts| {
            let request = facts.to_vec();
            if run.writers == 1 { commit(&[request]) } else { group.submit(request, commit) }
        })
    }

    fn replay(&self) -> Result<Tally, LogError> {
        let mut tally = Tally::default();
        self.0.each(&mut |stream, payload| tally.count_payload(stream, payload))?;
        Ok(tally)
    }
}

/// Refuses an event whose stream is not at the version before it.
pub(crate) fn check(fact: &Fact, actual: u64) -> Result<(), LogError> {
    if actual + 1 == fact.version {
        return Ok(());
    }
    Err(LogError::Conflict {
        stream: StreamId::new("section", fact.stream),
        expected: StreamVersion(fact.version - 1),
        actual: StreamVersion(actual),
    })
}

/// An event as a value of a store that has keys and values: stream, version, payload.
pub(crate) fn value(fact: &Fact) -> Vec<u8> {
    [&fact.stream.to_be_bytes()[..], &fact.version.to_be_bytes(), fact.payload.as_bytes()].concat()
}

/// The stream and the payload of a value.
pub(crate) fn parts(value: &[u8]) -> Result<(u64, &[u8]), LogError> {
    let damaged = || LogError::Corrupt { what: "a value is shorter than its head".into() };
    let (stream, rest) = value.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (_version, payload) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    Ok((u64::from_be_bytes(*stream), payload))
}

/// A number that is stored as eight big-endian bytes; 0 where there is none.
pub(crate) fn number(bytes: Option<&[u8]>) -> Result<u64, LogError> {
    let Some(bytes) = bytes else { return Ok(0) };
    let bytes = bytes.try_into().map_err(|_| LogError::Corrupt { what: "a number has not eight bytes".into() })?;
    Ok(u64::from_be_bytes(bytes))
}
