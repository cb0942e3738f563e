//! A disk in memory that forgets what was not synced when its power goes, and that fails on command.
//!
//! What was written and not synced is kept or lost sector by sector, as a real cache may write it back in any order; a
//! name is durable when its directory was synced after it was made, and may be otherwise.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bishui_infra::disk::{Disk, DiskFile};

use crate::dice::Dice;

/// Bytes that a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// What goes wrong, and when, counted in operations that change the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The power goes in the middle of this operation; every one after it fails.
    PowerLoss(u64),
    /// This operation fails with an input/output error.
    Io(u64),
    /// Operations from this one on fail for want of room, where they need more than is there.
    Full(u64),
}

/// The disk; clones share it.
#[derive(Clone)]
pub struct ForgetfulDisk(Arc<Mutex<State>>);

struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    /// Names that survive a loss of power.
    durable_names: BTreeMap<PathBuf, usize>,
    fault: Fault,
    operations: u64,
    off: bool,
    /// Whether a sync makes durable; a disk that only says so is the control of a harness.
    honest: bool,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// First bytes of sectors written since the last sync.
    dirty: std::collections::BTreeSet<usize>,
    /// Bytes that cannot be read until they are written again.
    unreadable: Range<usize>,
}

impl Content {
    /// What a loss of power leaves: each unsynced sector as it was or as it is.
    fn survive(&self, dice: &mut Dice, kept_percent: u64) -> Vec<u8> {
        let mut left = self.durable.clone();
        if self.now.len() > left.len() && (kept_percent == 100 || dice.chance(kept_percent)) {
            left.resize(self.now.len(), 0);
        }
        for start in &self.dirty {
            let end = (start + SECTOR_BYTES).min(self.now.len()).min(left.len());
            if *start < end && dice.chance(kept_percent) {
                left[*start..end].copy_from_slice(&self.now[*start..end]);
            }
        }
        left
    }
}

impl State {
    fn empty(honest: bool) -> Self {
        Self {
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            fault: Fault::None,
            operations: 0,
            off: false,
            honest,
        }
    }

    /// Counts an operation; tells whether it is the one in which the power goes.
    fn operate(&mut self, needs_room: bool) -> io::Result<bool> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        self.operations += 1;
        match self.fault {
            Fault::PowerLoss(at) if self.operations >= at => {
                self.off = true;
                Ok(true)
            }
            Fault::Io(at) if self.operations == at => Err(io::Error::from_raw_os_error(5)),
            Fault::Full(at) if self.operations >= at && needs_room => Err(io::Error::from_raw_os_error(28)),
            Fault::None | Fault::PowerLoss(_) | Fault::Io(_) | Fault::Full(_) => Ok(false),
        }
    }

    fn sync(&mut self, file: usize) {
        if self.honest {
            let content = &mut self.files[file];
            for start in std::mem::take(&mut content.dirty) {
                let end = (start + SECTOR_BYTES).min(content.now.len());
                content.durable.resize(content.now.len(), 0);
                content.durable[start..end].copy_from_slice(&content.now[start..end]);
            }
            content.durable.resize(content.now.len(), 0);
        }
    }
}

fn went_off() -> io::Error {
    io::Error::other("the power went")
}

impl ForgetfulDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State::empty(true))))
    }

    /// An empty disk whose syncs do nothing.
    pub fn dishonest() -> Self {
        Self(Arc::new(Mutex::new(State::empty(false))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the disk panics")
    }

    /// Sets what goes wrong, counted from now on.
    pub fn arm(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.operations) = (fault, 0);
    }

    /// Operations that have changed the disk since it was armed.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The disk as it is found when the power is back: `kept_percent` of what was not synced had reached it.
    #[must_use]
    pub fn after_power_loss(&self, dice: &mut Dice, kept_percent: u64) -> Self {
        let before = self.state();
        let mut after = State::empty(before.honest);
        let unsynced = before.names.iter().filter(|(path, file)| before.durable_names.get(*path) != Some(*file));
        let mut names = before.durable_names.clone();
        names.extend(unsynced.filter(|_| dice.chance(kept_percent)).map(|(path, file)| (path.clone(), *file)));
        for (path, file) in names {
            let left = before.files[file].survive(dice, kept_percent);
            after.files.push(Content { now: left.clone(), durable: left, ..Content::default() });
            after.names.insert(path, after.files.len() - 1);
        }
        after.durable_names = after.names.clone();
        Self(Arc::new(Mutex::new(after)))
    }

    /// A disk with the same content, for damage that others must not see.
    #[must_use]
    pub fn copy(&self) -> Self {
        let before = self.state();
        let mut after = State::empty(before.honest);
        after.files.clone_from(&before.files);
        after.names.clone_from(&before.names);
        after.durable_names.clone_from(&before.durable_names);
        Self(Arc::new(Mutex::new(after)))
    }

    /// The files whose names end with `suffix`, in order.
    pub fn files(&self, suffix: &str) -> Vec<PathBuf> {
        let state = self.state();
        state.names.keys().filter(|path| path.to_string_lossy().ends_with(suffix)).cloned().collect()
    }

    /// Does to the bytes of a file what no program did.
    pub fn damage(&self, path: &Path, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[path];
        let content = &mut state.files[file];
        damage(&mut content.now);
        content.durable.clone_from(&content.now);
    }

    /// Lets no one read these bytes of a file until they are written again.
    pub fn wear_out(&self, path: &Path, bytes: Range<usize>) {
        let mut state = self.state();
        let file = state.names[path];
        state.files[file].unreadable = bytes;
    }

    /// Removes a file as no program did.
    pub fn lose(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }
}

impl Default for ForgetfulDisk {
    fn default() -> Self {
        Self::new()
    }
}

struct OpenFile {
    disk: ForgetfulDisk,
    file: usize,
}

impl Disk for ForgetfulDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let here = state.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(here.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if state.operate(true)? {
            return Err(went_off());
        }
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.push(Content::default());
        let file = state.files.len() - 1;
        state.names.insert(path.to_owned(), file);
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.state().names.get(path).copied();
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.operate(false)? {
            return Err(went_off());
        }
        let file = state.names.remove(from).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.operate(false)? {
            return Err(went_off());
        }
        state.names.remove(path).map(drop).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.operate(false)? {
            return Err(went_off());
        }
        if state.honest {
            let here = |path: &Path| path.parent() == Some(directory);
            state.durable_names.retain(|path, _| !here(path));
            let named: Vec<_> = state.names.iter().map(|(path, file)| (path.clone(), *file)).collect();
            state.durable_names.extend(named.into_iter().filter(|(path, _)| here(path)));
        }
        Ok(())
    }
}

impl DiskFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let Content { now: content, unreadable, .. } = &state.files[self.file];
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let length = buffer.len().min(content.len() - start);
        if start < unreadable.end && unreadable.start < start + length {
            return Err(io::Error::from_raw_os_error(5));
        }
        buffer[..length].copy_from_slice(&content[start..start + length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let start = usize::try_from(offset).expect("a small disk");
        let end = start + bytes.len();
        let needs_room = end > state.files[self.file].now.len();
        let goes = state.operate(needs_room)?;
        let content = &mut state.files[self.file];
        if content.now.len() < end {
            content.now.resize(end, 0);
        }
        content.now[start..end].copy_from_slice(bytes);
        if start <= content.unreadable.start && content.unreadable.end <= end {
            content.unreadable = 0..0;
        }
        content.dirty.extend((start / SECTOR_BYTES * SECTOR_BYTES..end).step_by(SECTOR_BYTES));
        if goes { Err(went_off()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.operate(false)? {
            return Err(went_off());
        }
        state.sync(self.file);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].now.len() as u64)
    }
}
