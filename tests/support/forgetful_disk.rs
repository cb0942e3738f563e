//! A disk in memory that forgets what was not synced when its power goes, and that fails on command.
//!
//! What was written and not synced is kept or lost sector by sector, as a real cache may write it back in any order; a
//! name is durable when its directory was synced after it was made, and may be otherwise. A directory that was not made
//! here has always been there.

mod content;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bishui_infra::disk::{Disk, DiskFile};

use self::content::Content;
use crate::dice::Dice;

/// What goes wrong, and when, counted in operations that change the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The power goes in the middle of this operation; every one after it fails.
    PowerLoss(u64),
    /// The program is killed in the middle of this operation; every one after it fails. What was written stays in the
    /// cache, for whoever opens the files after the fault was taken back.
    Kill(u64),
    /// This operation fails with an input/output error. A write leaves a part of its bytes, a sync makes nothing durable.
    Io(u64),
    /// Operations from this one on fail for want of room, where they need more than is there.
    Full(u64),
    /// This look at the disk fails for a reason of the moment, want of memory; counted in those.
    Look(u64),
}

/// The disk; clones share it.
#[derive(Clone)]
pub struct ForgetfulDisk(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    /// Names that survive a loss of power.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Directories that were made here.
    directories: BTreeSet<PathBuf>,
    /// Of those, the ones that survive a loss of power.
    durable_directories: BTreeSet<PathBuf>,
    fault: Fault,
    operations: u64,
    looks: u64,
    off: bool,
    /// Whether syncs only say that they make durable; such a disk is the control of a harness.
    pretends: bool,
}

/// Why an operation is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The power goes in its midst.
    PowerGoes,
    /// The program is killed in its midst.
    Killed,
    /// It fails in its midst, with an error of this number.
    Fails(i32),
    /// Nothing of it is done: there is no power, or no program.
    Off,
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::PowerGoes => Self::other("the power went"),
            Stop::Killed => Self::other("the program was killed"),
            Stop::Fails(number) => Self::from_raw_os_error(number),
            Stop::Off => Self::other("the power is off"),
        }
    }
}

/// Numbers of the errors of a failing disk, of a machine without memory, and of a full disk.
const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const ENOSPC: i32 = 28;

impl State {
    /// Counts an operation, and stops it where something is to go wrong.
    fn operate(&mut self, needs_room: bool) -> Result<(), Stop> {
        if self.off {
            return Err(Stop::Off);
        }
        self.operations += 1;
        match self.fault {
            Fault::PowerLoss(at) if self.operations >= at => {
                self.off = true;
                Err(Stop::PowerGoes)
            }
            Fault::Kill(at) if self.operations == at => Err(Stop::Killed),
            Fault::Kill(at) if self.operations > at => Err(Stop::Off),
            Fault::Io(at) if self.operations == at => Err(Stop::Fails(EIO)),
            Fault::Full(at) if self.operations >= at && needs_room => Err(Stop::Fails(ENOSPC)),
            Fault::None | Fault::PowerLoss(_) | Fault::Kill(_) | Fault::Io(_) | Fault::Full(_) | Fault::Look(_) => {
                Ok(())
            }
        }
    }

    /// Counts a look at the disk, which changes nothing.
    fn look(&mut self) -> Result<(), Stop> {
        if self.off {
            return Err(Stop::Off);
        }
        self.looks += 1;
        if self.fault == Fault::Look(self.looks) { Err(Stop::Fails(ENOMEM)) } else { Ok(()) }
    }
}

impl ForgetfulDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::of(State::default())
    }

    /// An empty disk whose syncs do nothing.
    pub fn dishonest() -> Self {
        Self::of(State { pretends: true, ..State::default() })
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the disk panics")
    }

    /// Sets what goes wrong, counted from now on.
    pub fn arm(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.operations, state.looks) = (fault, 0, 0);
    }

    /// Sets whether syncs from now on only say that they make durable.
    pub fn pretend(&self, pretends: bool) {
        self.state().pretends = pretends;
    }

    /// Operations that have changed the disk since it was armed.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Looks at the disk since it was armed.
    pub fn looks(&self) -> u64 {
        self.state().looks
    }

    /// The disk as it is found when the power is back: `kept_percent` of what was not synced had reached it.
    #[must_use]
    pub fn after_power_loss(&self, dice: &mut Dice, kept_percent: u64) -> Self {
        let before = self.state();
        let mut after = State { pretends: before.pretends, ..State::default() };
        let (known, made) = (&before.durable_directories, &before.directories);
        after.directories =
            made.iter().filter(|path| known.contains(*path) || dice.chance(kept_percent)).cloned().collect();
        after.durable_directories.clone_from(&after.directories);
        let unsynced = before.names.iter().filter(|(path, file)| before.durable_names.get(*path) != Some(*file));
        let mut names = before.durable_names.clone();
        names.extend(unsynced.filter(|_| dice.chance(kept_percent)).map(|(path, file)| (path.clone(), *file)));
        // What stands in a directory that is gone is gone with it.
        names
            .retain(|path, _| path.ancestors().all(|above| !made.contains(above) || after.directories.contains(above)));
        for (path, file) in names {
            after.files.push(Content::durable(before.files[file].survive(dice, kept_percent)));
            after.names.insert(path, after.files.len() - 1);
        }
        after.durable_names = after.names.clone();
        Self::of(after)
    }

    /// A disk with the same content, for damage that others must not see.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::of(self.state().clone());
        copy.arm(Fault::None);
        copy
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
        state.files[file].damage(damage);
    }

    /// Lets no one read these bytes of a file until they are written again.
    pub fn wear_out(&self, path: &Path, bytes: Range<usize>) {
        let mut state = self.state();
        let file = state.names[path];
        state.files[file].wear_out(bytes);
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
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.directories.contains(path) {
            state.operate(true)?;
            state.directories.insert(path.to_owned());
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look()?;
        let here = state.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(here.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.operate(true)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.push(Content::default());
        let file = state.files.len() - 1;
        state.names.insert(path.to_owned(), file);
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.look()?;
        let file = state.names.get(path).copied();
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate(false)?;
        let file = state.names.remove(from).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate(false)?;
        state.names.remove(path).map(drop).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate(false)?;
        if state.pretends {
            return Ok(());
        }
        let State { names, durable_names, directories, durable_directories, .. } = &mut *state;
        let here = |path: &Path| path.parent() == Some(directory);
        durable_names.retain(|path, _| !here(path));
        durable_names.extend(names.iter().filter(|(path, _)| here(path)).map(|(path, file)| (path.clone(), *file)));
        durable_directories.extend(directories.iter().filter(|path| here(path)).cloned());
        Ok(())
    }
}

impl DiskFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.look()?;
        let content = &state.files[self.file];
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.bytes().len());
        let end = start + buffer.len().min(content.bytes().len() - start);
        if content.is_worn_out(start..end) {
            return Err(Stop::Fails(EIO).into());
        }
        let length = end - start;
        buffer[..length].copy_from_slice(&content.bytes()[start..end]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let start = usize::try_from(offset).expect("a small disk");
        let needs_room = start + bytes.len() > state.files[self.file].bytes().len();
        let done = state.operate(needs_room);
        let mut dice = Dice::new(state.operations);
        let content = &mut state.files[self.file];
        match done {
            // How much of it is on the disk when the power goes is seen when it is back.
            Ok(()) | Err(Stop::PowerGoes) => content.write(bytes, start),
            Err(Stop::Killed | Stop::Fails(_)) => content.write_in_part(bytes, start, &mut dice),
            Err(Stop::Off) => {}
        }
        Ok(done?)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let done = state.operate(false);
        let pretends = state.pretends;
        let content = &mut state.files[self.file];
        match done {
            Ok(()) if pretends => {}
            Ok(()) => content.sync(),
            Err(Stop::Fails(_)) => content.fail_to_sync(),
            Err(Stop::PowerGoes | Stop::Killed | Stop::Off) => {}
        }
        Ok(done?)
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look()?;
        Ok(state.files[self.file].bytes().len() as u64)
    }
}
