//! The directory of a backup before it is written into: whose it is, and what a backup that was cut short has left there.
//!
//! Nothing is ever removed but files without a name of their own. The manifest comes before the first part, so parts
//! without one are a backup that has lost it, and not what was cut short.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, file_of};
use super::{BackupError, CHECKPOINTS_DIR, EVENTS_DIR, MANIFEST_FILE, failed};
use crate::durable;

/// The file by which a second writer is kept away.
const LOCK_FILE: &str = "lock";

/// Takes the directory to write into: gives its lock, and its manifest, that of a new backup where there was none.
pub(super) fn take(dir: &Path) -> Result<(File, Manifest), BackupError> {
    if Manifest::read(dir)?.is_none() {
        check_is_free(dir)?;
    }
    let events_dir = dir.join(EVENTS_DIR);
    durable::create_dir(&events_dir).map_err(failed(&events_dir))?;
    let lock = lock(dir)?;
    // Read again under the lock: the manifest may have been replaced before.
    let manifest = match Manifest::read(dir)? {
        Some(manifest) => manifest,
        None => begin(dir)?,
    };
    check_parts(dir, &manifest)?;
    clear(dir)?;
    Ok((lock, manifest))
}

/// Refuses a directory without a manifest that is used for something else, or whose backup has lost it.
fn check_is_free(dir: &Path) -> Result<(), BackupError> {
    let (events_dir, first) = (dir.join(EVENTS_DIR), dir.join(file_of(1)));
    if first.exists() {
        let what = format!("it is missing, and {} is there: put it back, or name a new directory", first.display());
        return Err(BackupError::Damaged { path: dir.join(MANIFEST_FILE), line: None, what });
    }
    let found = entries(dir)?.into_iter().chain(entries(&events_dir)?);
    let is_ours = |path: &PathBuf| *path == events_dir || *path == dir.join(LOCK_FILE) || is_temporary(path);
    match found.into_iter().find(|path| !is_ours(path)) {
        Some(_) => Err(BackupError::Occupied { dir: dir.to_owned() }),
        None => Ok(()),
    }
}

fn lock(dir: &Path) -> Result<File, BackupError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(&path)(error)),
    }
}

fn begin(dir: &Path) -> Result<Manifest, BackupError> {
    let mut manifest = Manifest::empty();
    manifest.write(dir)?;
    Ok(manifest)
}

/// Sees that the listed parts are there in their size, and nothing else but the part after them, which a backup that was
/// cut short has not listed yet and the next one writes again. What parts hold is compared by a verification.
fn check_parts(dir: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    for part in &manifest.parts {
        let path = dir.join(&part.file);
        let bytes = std::fs::metadata(&path).map_err(failed(&path))?.len();
        if bytes != part.bytes {
            let what = format!("it has {bytes} bytes, the manifest says {}", part.bytes);
            return Err(BackupError::Damaged { path, line: None, what });
        }
    }
    let next = file_of(manifest.events + 1);
    let files = manifest.parts.iter().map(|part| &part.file).chain([&next]);
    let known: HashSet<PathBuf> = files.map(|file| dir.join(file)).collect();
    let unknown = |path: &PathBuf| !known.contains(path) && !is_temporary(path);
    match entries(&dir.join(EVENTS_DIR))?.into_iter().find(unknown) {
        Some(path) => {
            let what = "it does not belong to the backup, or the manifest is older than the rest".to_owned();
            Err(BackupError::Damaged { path, line: None, what })
        }
        None => Ok(()),
    }
}

/// Removes the files without a name that a backup that was cut short has left.
fn clear(dir: &Path) -> Result<(), BackupError> {
    for dir in [dir.to_owned(), dir.join(EVENTS_DIR), dir.join(CHECKPOINTS_DIR)] {
        for path in entries(&dir)?.iter().filter(|path| is_temporary(path)) {
            std::fs::remove_file(path).map_err(failed(path))?;
        }
    }
    Ok(())
}

/// Whether a path has the name of a file that is given its own when it is whole: `.tmp` and six letters or digits.
pub(super) fn is_temporary(path: &Path) -> bool {
    let random = path.file_name().and_then(|name| name.to_str()?.strip_prefix(".tmp"));
    random.is_some_and(|random| random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What stands in a directory; nothing where there is none.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(failed(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(failed(dir)(error)),
    }
}
