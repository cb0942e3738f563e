//! The disk of this machine, whose syncs can be held up.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use bishui_infra::disk::{Disk, DiskFile, RealDisk};

/// The disk; clones share what holds it up.
#[derive(Clone, Default)]
pub(super) struct HoldingDisk(Arc<Gate>);

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_held: bool,
    /// Syncs that wait.
    waiting: usize,
}

/// Holds every sync of a disk up until it is dropped.
pub(super) struct Held(Arc<Gate>);

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn pass(&self) {
        let mut state = self.state();
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.is_held).unwrap();
        state.waiting -= 1;
    }
}

impl HoldingDisk {
    pub(super) fn hold(&self) -> Held {
        self.0.state().is_held = true;
        Held(Arc::clone(&self.0))
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(HoldingFile { file, gate: Arc::clone(&self.0) })
    }
}

impl Held {
    /// Waits until a sync is held up.
    pub(super) fn wait_for_sync(&self) {
        drop(self.0.changed.wait_while(self.0.state(), |state| state.waiting == 0).unwrap());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state().is_held = false;
        self.0.changed.notify_all();
    }
}

impl Disk for HoldingDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path).map(|file| self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}

struct HoldingFile {
    file: Box<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl DiskFile for HoldingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}
