//! Files that are there whole after a loss of power, or not at all.

use std::fs::{DirEntry, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

/// How a temporary name begins.
const TEMPORARY: &str = ".tmp";
/// Age after which a file of a temporary name is what a killed program has left: no writing takes as long, even by the
/// clock of another machine.
const LEFT_AFTER: Duration = Duration::from_hours(24);

/// Puts `bytes` at `path`: after a crash there is the file that was there before, or this one, whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
    file.write_all(bytes)?;
    keep(file, path)
}

/// Syncs a file that was written under a temporary name and gives it its name.
pub(crate) fn keep(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Makes the directory `dir` with those above it, all of them durably.
pub fn create_dir(dir: &Path) -> io::Result<()> {
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if dir.is_dir() {
        // Whoever made it may not have come to the sync. Those above it were synced before it was made.
        return match sync_dir(above) {
            // Who may not read the directory above has hardly made this one, so it has long been there.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        };
    }
    create_dir(above)?;
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !dir.is_dir() => Err(error),
        Ok(()) | Err(_) => sync_dir(above),
    }
}

/// Removes from a directory what programs left that were killed while they wrote. Others may be writing there.
pub(crate) fn clear_away(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            match remove_if_left(&entry) {
                // It has got its name meanwhile, or another program has removed it.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

fn remove_if_left(entry: &DirEntry) -> io::Result<()> {
    let age = entry.metadata()?.modified()?.elapsed();
    if age.is_ok_and(|age| age > LEFT_AFTER) { std::fs::remove_file(entry.path()) } else { Ok(()) }
}

/// Makes what was created, renamed or removed in a directory survive a loss of power.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
