//! Losses of power, failing disks and damaged files under the embedded log. Whatever was acknowledged is there
//! afterwards, in its place and byte for byte, or the log says that it is damaged.
//!
//! The journal is on a disk in memory that forgets what was not synced. `BISHUI_CRASH_ROUNDS` sets the number of losses
//! of power, `BISHUI_CRASH_SEED` repeats a run. A disk whose syncs do nothing is the control.
#![expect(clippy::unwrap_used, reason = "a failure of the harness is a failure of the test")]

use std::path::Path;
use std::sync::Arc;

use bishui_infra::disk::Disk;
use bishui_infra::event_log::LogError;
use bishui_infra::event_log::sled::SledLog;
use bishui_tests::forgetful_disk::ForgetfulDisk;

mod cached;
mod damage;
mod faults;
mod loss;
mod repairs;
mod unaided;
mod work;

/// The log in `path` with its journal on `disk`.
fn open(disk: &ForgetfulDisk, path: &Path) -> Result<SledLog, LogError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    SledLog::open_on(&disk, path)
}
