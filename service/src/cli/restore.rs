//! Restore: a backup becomes a store, which gets its name, or loses its mark in a database, when it is whole and verified.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bishui_infra::attachments::Attachments;
use bishui_infra::backup::{self, BackupError, Loss, Proof, Reader, Restored, Until};
use bishui_infra::durable;
use bishui_infra::event_log::postgres::{self, Address};
use bishui_infra::event_log::{LogError, Position};
use bishui_infra::transparency::key::SigningKey;
use serde_json::json;

use super::args::Cli;
use super::backups::{Failure, show_lost, told, unavailable};
use super::output::Output;
use super::{exit, offline, questions, session};
use crate::audit::PROOF_DIR;
use crate::config::Config;
use crate::error::OfficeError;
use crate::replay::Replayed;
use crate::restored;
use crate::store::{Place, Store};

/// The beginning of the name under which an embedded store stands until it is whole.
const ASIDE: &str = "restoring-";

/// What is restored, how far, and whether lost attachments are accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) dir: &'a Path,
    pub(super) until: Until,
    pub(super) loss: Loss,
}

/// Restores a backup into a store that is not there yet.
pub(super) async fn restore(cli: &Cli, asked: Asked<'_>, output: &Output) -> Result<ExitCode, OfficeError> {
    told(try_to_restore(cli, asked, output).await, output)
}

async fn try_to_restore(cli: &Cli, asked: Asked<'_>, output: &Output) -> Result<ExitCode, Failure> {
    let config = Config::read(&cli.data, cli.config.as_deref())?;
    let place = session::place(cli, &config)?;
    let mut restoring = Restoring::prepare(cli, &config, asked)?;
    let waiting = output.spinner("restoring events, and deriving every decision again");
    let done = match &place {
        Place::Sled(store) => restoring.fill_directory(store).await,
        Place::Postgres(address) => restoring.fill_database(address).await,
    };
    waiting.finish_and_clear();
    let (Restored { events, attachments, lost, root }, replayed) = done?;
    let replay = serde_json::to_value(&replayed).expect("a replay holds only texts and numbers");
    let done = json!({ "data": cli.data, "store": place.to_string(), "events": events, "attachments": attachments,
        "lost": lost, "root": root, "checkpoints": restoring.checkpoints, "replay": replay });
    output.show(&done, |output, _| {
        output.line(format_args!("{events} events and {attachments} attachments are restored into {place}"));
        output.line(format_args!("root of the log: {root}"));
        show_lost(output, &lost);
        output.line(&restoring.checkpoints);
        questions::show_replay(output, &replay);
    });
    let is_whole = replayed.differing == 0 && lost.is_empty();
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}

/// A restore under way.
struct Restoring<'a> {
    cli: &'a Cli,
    config: &'a Config,
    asked: Asked<'a>,
    attachments: Attachments,
    /// What the data directory has of a proof already.
    own: Option<Proof>,
    /// What becomes of the checkpoints, in words.
    checkpoints: String,
}

impl<'a> Restoring<'a> {
    fn prepare(cli: &'a Cli, config: &'a Config, asked: Asked<'a>) -> Result<Self, Failure> {
        let attachments = config.attachments(&cli.data);
        let own = own_proof(&cli.data.join(PROOF_DIR), config.signing_key.as_deref(), asked.dir)?;
        Ok(Self { cli, config, asked, attachments, own, checkpoints: String::new() })
    }

    /// Restores into a new store beside `store`, which takes that name at the end.
    async fn fill_directory(&mut self, store: &Path) -> Result<(Restored, Replayed), Failure> {
        if store.exists() {
            let what = format!("{} exists; restore into another data directory (`--data DIR`)", store.display());
            return Err(OfficeError::Input { what }.into());
        }
        let reader = self.reader()?;
        let parent = store.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for dir in [parent, &self.cli.data] {
            durable::create_dir(dir).map_err(|error| unavailable(dir, error))?;
        }
        let _alone = alone(parent)?;
        remove_leftovers(parent)?;
        let aside = tempfile::Builder::new().prefix(ASIDE).tempdir_in(parent);
        let aside = aside.map_err(|error| unavailable(parent, error))?;
        let place = aside.path().join("store");
        let whole = Place::Sled(place.clone());
        whole.make().await?;
        let restored = self.fill(reader, whole.open().await?).await?;
        self.settle(restored.0.events)?;
        // `rename` would take the place of an empty directory that was made meanwhile, never of a store.
        std::fs::rename(&place, store).map_err(|error| unavailable(store, error))?;
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(|error| unavailable(parent, error))?;
        Ok(restored)
    }

    /// Restores into a database without a log, which is marked until the end.
    async fn fill_database(&mut self, address: &Address) -> Result<(Restored, Replayed), Failure> {
        let reader = self.reader()?;
        durable::create_dir(&self.cli.data).map_err(|error| unavailable(&self.cli.data, error))?;
        let Some(target) = postgres::Unfinished::to_restore(address).await? else {
            let what = format!("{address} holds a log that was used; a backup is restored into an empty database");
            return Err(OfficeError::Input { what }.into());
        };
        let restored = self.fill(reader, Store::Postgres(target.log().clone())).await?;
        self.settle(restored.0.events)?;
        target.finish(Position(restored.0.events)).await?;
        Ok(restored)
    }

    fn reader(&self) -> Result<Reader, BackupError> {
        let mut reader = Reader::open(self.asked.dir)?;
        if let Some(own) = &self.own {
            reader.expect(&self.list(), own)?;
        }
        Ok(reader)
    }

    /// Restores into an empty store, reads it from end to end, and derives every decision again.
    async fn fill(&self, reader: Reader, store: Store) -> Result<(Restored, Replayed), Failure> {
        let Asked { until, loss, .. } = self.asked;
        let log = store.log();
        let restored = backup::restore(reader, until, loss, log.as_ref(), &self.attachments).await?;
        store.verify().await?;
        let replayed = restored::take_up(Arc::clone(&log), self.config.work_calendar()?).await?;
        // Closing an embedded store blocks.
        let closed = tokio::task::spawn_blocking(move || drop((store, log))).await;
        closed.map_err(|error| LogError::Unavailable { what: error.to_string(), source: None })?;
        Ok((restored, replayed))
    }

    /// Writes the settings, and puts the checkpoints where they are gone on with, for a store that is whole.
    fn settle(&mut self, events: u64) -> Result<(), Failure> {
        offline::write_settings(&self.cli.data)?;
        let dir = self.cli.data.join(PROOF_DIR);
        let in_backup = Proof::all(self.asked.dir)?;
        let by_own_key = |proof: &Proof| self.own.as_ref().is_some_and(|own| own.key == proof.key);
        let of_own_key = in_backup.iter().find(|(_, proof)| by_own_key(proof));
        let covered = self.own.as_ref().into_iter().chain(of_own_key.map(|(_, proof)| proof)).map(Proof::covers).max();
        // The key would sign another history than it has signed.
        if let Some(covered) = covered.filter(|covered| *covered > events) {
            return Err(BackupError::Beyond { path: self.list(), covered, events }.into());
        }
        self.checkpoints = match of_own_key.or(in_backup.first()) {
            _ if self.list().exists() => format!("the log goes on under the checkpoints in {}", dir.display()),
            None => "the backup has no checkpoints".to_owned(),
            Some((path, proof)) if proof.covers() > events => {
                format!("the checkpoints in {} cover more events: this log goes on under a new key", path.display())
            }
            Some((_, proof)) => {
                proof.put(&dir)?;
                format!(
                    "the log has checkpoints by {}: before it is served, put a copy of that signing key into {} (the \
                     backup has none); where the key is lost, move `checkpoints` away from there, and a new one is drawn",
                    proof.key,
                    dir.join("key").display()
                )
            }
        };
        Ok(())
    }

    fn list(&self) -> PathBuf {
        backup::proof::list(&self.cli.data.join(PROOF_DIR))
    }
}

/// What the directory `dir` of a proof has: its list by its signing key or, where that is not there yet, by the key of
/// the backup that has signed it.
fn own_proof(dir: &Path, signing_key: Option<&Path>, backup: &Path) -> Result<Option<Proof>, Failure> {
    let key = signing_key.map_or_else(|| dir.join("key"), Path::to_owned);
    match (key.exists(), backup::proof::list(dir).exists()) {
        (false, false) => return Ok(None),
        (true, false) => return Ok(Some(Proof::of_key(&key).map_err(OfficeError::from)?)),
        (true, true) => return Ok(Proof::of(dir, signing_key).map_err(OfficeError::from)?),
        (false, true) => {}
    }
    let in_backup = Proof::all(backup)?;
    match in_backup.iter().find_map(|(_, proof)| proof.by_this_key(dir).ok()) {
        Some(own) => Ok(Some(own)),
        // It says that the key is missing.
        None => Ok(SigningKey::read(&key).map(|_| None).map_err(OfficeError::from)?),
    }
}

/// Keeps other restores into `dir` away while this is held.
fn alone(dir: &Path) -> Result<File, OfficeError> {
    let held = File::open(dir).map_err(|error| unavailable(dir, error))?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(TryLockError::WouldBlock) => {
            let what = format!("another restore into {} is under way", dir.display());
            Err(LogError::Unavailable { what, source: None }.into())
        }
        Err(TryLockError::Error(error)) => Err(unavailable(dir, error)),
    }
}

/// Removes what restores that were killed have left in `dir`.
fn remove_leftovers(dir: &Path) -> Result<(), OfficeError> {
    let failed = |error| unavailable(dir, error);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(ASIDE) {
            std::fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}
