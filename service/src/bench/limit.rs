//! The limit: the bare disk. The same payloads, each after a header of 24 bytes (length, zeros, version, stream: 4, 4, 8, 8),
//! in one file that was filled with zeros and synced before, so that no commit changes its size or its extents.
//!
//! A commit is one `pwrite` and one `fdatasync`; concurrent writers share them by [`GroupCommit`]. A replay reads the
//! file once and parses each payload into the owned event.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bishui_infra::event_log::LogError;

use super::group::GroupCommit;
use super::workload::{Fact, Run, Tally};
use super::writers::{Timed, on_threads};

/// Bytes in front of each payload.
pub const HEADER_BYTES: usize = 24;
/// Room for an event in the file that is filled before.
const EVENT_BYTES_MAX: u64 = 512;
/// Bytes that are read or zeroed at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A file on the disk that is measured.
pub struct BareDisk {
    path: PathBuf,
}

impl BareDisk {
    /// The bare disk under `path`, a file that is written anew.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes a run, every commit durable before its writer goes on; gives the median time of a `pwrite` and
    /// `fdatasync` too.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be written.
    pub fn append(&self, run: Run) -> Result<(Timed, Duration), LogError> {
        let file = self.zeroed(run.total() * EVENT_BYTES_MAX).map_err(|error| self.failed(error))?;
        let end = Mutex::new(End { offset: 0, buffer: Vec::new(), commits: Vec::new() });
        let commit = |requests: &[Vec<u8>]| {
            let mut end = end.lock().expect("no holder of the file's end panics");
            end.commit(&file, requests).map_err(|error| self.failed(error))
        };
        let group = GroupCommit::default();
        let timed = on_threads(run, |facts| {
            let request = encode(facts);
            if run.writers == 1 { commit(&[request]) } else { group.submit(request, commit) }
        })?;
        let mut commits = end.into_inner().expect("no holder of the file's end panics").commits;
        commits.sort_unstable();
        Ok((timed, commits[commits.len() / 2]))
    }

    /// Writes a run without waiting for the disk, to be replayed.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be written.
    pub fn load(&self, run: Run) -> Result<(), LogError> {
        let write = || {
            let mut file = BufWriter::with_capacity(CHUNK_BYTES, File::create(&self.path)?);
            for facts in (0..run.writers).flat_map(|writer| run.commits(writer)) {
                file.write_all(&encode(&facts))?;
            }
            file.into_inner()?.sync_all()
        };
        write().map_err(|error| self.failed(error))
    }

    /// Reads what was loaded and counts it.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be read, `Corrupt` where it is not what was written.
    pub fn replay(&self) -> Result<Tally, LogError> {
        let file = File::open(&self.path).map_err(|error| self.failed(error))?;
        let mut file = BufReader::with_capacity(CHUNK_BYTES, file);
        let (mut tally, mut payload) = (Tally::default(), Vec::new());
        while let Some(stream) = next_event(&mut file, &mut payload).map_err(|error| self.failed(error))? {
            tally.count_owned(stream, &payload)?;
        }
        Ok(tally)
    }

    /// A new file of `bytes` written zeros, synced.
    fn zeroed(&self, bytes: u64) -> io::Result<File> {
        let mut file = File::create(&self.path)?;
        let chunks = bytes.div_ceil(CHUNK_BYTES as u64);
        let zeros = vec![0; CHUNK_BYTES];
        for _ in 0..chunks {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Ok(file)
    }

    fn failed(&self, error: io::Error) -> LogError {
        let what = format!("the bare file {}", self.path.display());
        LogError::Unavailable { what, source: Some(Box::new(error)) }
    }
}

/// Where the next commit goes.
struct End {
    offset: u64,
    buffer: Vec<u8>,
    commits: Vec<Duration>,
}

impl End {
    fn commit(&mut self, file: &File, requests: &[Vec<u8>]) -> io::Result<()> {
        let start = Instant::now();
        self.buffer.clear();
        for request in requests {
            self.buffer.extend_from_slice(request);
        }
        file.write_all_at(&self.buffer, self.offset)?;
        file.sync_data()?;
        self.offset += self.buffer.len() as u64;
        self.commits.push(start.elapsed());
        Ok(())
    }
}

fn encode(facts: &[Fact]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(facts.iter().map(|fact| HEADER_BYTES + fact.payload.len()).sum());
    for fact in facts {
        let length = u32::try_from(fact.payload.len()).expect("payloads of the workload are short");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&fact.version.to_le_bytes());
        bytes.extend_from_slice(&fact.stream.to_le_bytes());
        bytes.extend_from_slice(fact.payload.as_bytes());
    }
    bytes
}

/// Reads the next payload and gives its stream; none at the end of the file.
fn next_event(file: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER_BYTES];
    match file.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [l0, l1, l2, l3, _, _, _, _, _, _, _, _, _, _, _, _, stream @ ..] = header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    payload.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
    file.read_exact(payload)?;
    Ok(Some(u64::from_le_bytes(stream)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workload::Spread;

    #[test]
    fn concurrent_writers_leave_every_event_in_the_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let disk = BareDisk::new(directory.path().join("bare"));
        let run = Run { first_stream: 0, writers: 8, events: 50, size: 1, spread: Spread::Sequence };
        let (timed, median) = disk.append(run).expect("the file can be written");
        assert_eq!(timed.commits.len(), 400);
        assert!(median > Duration::ZERO);
        let mut streams = vec![0; 8];
        let mut file = File::open(&disk.path).expect("the file is there");
        let mut payload = Vec::new();
        for _ in 0..run.total() {
            let stream = next_event(&mut file, &mut payload).expect("it can be read").expect("another event");
            streams[usize::try_from(stream).expect("a small number")] += 1;
            assert_eq!(payload[0], b'{');
        }
        assert_eq!(streams, vec![50; 8]);
    }

    #[test]
    fn a_replay_counts_what_was_loaded() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let disk = BareDisk::new(directory.path().join("bare"));
        let run = Run { first_stream: 0, writers: 1, events: 1_234, size: 100, spread: Spread::Sequence };
        disk.load(run).expect("the file can be written");
        let tally = disk.replay().expect("the file can be read");
        let mut expected = Tally::default();
        for fact in run.commits(0).flatten() {
            expected.count_payload(fact.stream, fact.payload.as_bytes()).expect("a payload of the workload");
        }
        assert_eq!(tally.events, 1_234);
        assert_eq!(tally, expected);
        assert!(tally.runs > 0 && tally.longest >= 2);
    }
}
