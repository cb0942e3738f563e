//! Proof for others: checkpoints, the audit of the log, and evidence that is checked without this program.
//!
//! The command line asks the same questions of the store and of the running service.

mod bundle;

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bishui_domain::ids::CountyId;
use bishui_infra::event_log::leaf::Hash;
use bishui_infra::event_log::{EventLog, LogError, Position};
use bishui_infra::transparency::ProofError;
use bishui_infra::transparency::audit::{Audit, Claim, audit};
use bishui_infra::transparency::bundle::EventLine;
use bishui_infra::transparency::checkpoint::Checkpoint;
use bishui_infra::transparency::key::VerifierKey;
use bishui_infra::transparency::notary::Notary;
use bishui_infra::transparency::tiles;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::error::OfficeError;

/// The directory of the proof in the data directory.
pub const PROOF_DIR: &str = "transparency";
/// The format of the proof of one event, and its version.
pub const PROOF_FORMAT: &str = "bishui-proof/1";

/// The format of the proof that a checkpoint continues another, and its version.
pub const CONTINUATION_FORMAT: &str = "bishui-continuation/1";

/// A question about the proof of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// The key that checks this log's signatures.
    Key,
    /// A fresh signed checkpoint.
    Checkpoint,
    /// The whole log read and compared with every checkpoint.
    Verify {
        /// Checkpoints to compare with beside those that are kept, with where they are from.
        checkpoints: Vec<(String, String)>,
    },
    /// The proof of one event.
    Prove {
        /// Its position.
        position: Position,
    },
    /// The proof that the log continues the one of an older checkpoint.
    Continue {
        /// Where the older checkpoint is from, and the checkpoint.
        since: (String, String),
    },
    /// The evidence of a county and year.
    Bundle {
        /// The county.
        county: CountyId,
        /// The year.
        year: i16,
    },
}

/// The notary of a log, shared by those who ask. Other processes may have one on the same directory.
pub struct Desk {
    notary: Mutex<Notary>,
    /// The newest checkpoint when a question was answered last, for those who do not wait for work under way.
    newest: RwLock<Option<Checkpoint>>,
    dir: PathBuf,
}

impl Desk {
    /// Opens the proof of the log whose data directory this is, with the key in a file or one of its own.
    ///
    /// # Errors
    /// Key or files cannot be used.
    pub fn open(data_dir: &Path, signing_key: Option<&Path>) -> Result<Self, OfficeError> {
        let dir = data_dir.join(PROOF_DIR);
        let notary = Notary::open(&dir, signing_key)?;
        let newest = RwLock::new(notary.checkpoints().last().cloned());
        Ok(Self { notary: Mutex::new(notary), newest, dir })
    }

    /// The newest checkpoint that was signed.
    pub fn newest(&self) -> Option<Checkpoint> {
        self.newest.read().expect("a checkpoint is never left half noted").clone()
    }

    /// The first `width` hashes of a tile of the newest checkpoint's tree; none where it has not as many.
    ///
    /// # Errors
    /// The hashes cannot be read.
    pub fn tile(&self, level: u32, index: u64, width: u64) -> Result<Option<Vec<u8>>, OfficeError> {
        let Some(newest) = self.newest() else { return Ok(None) };
        Ok(tiles::read_tile(&self.dir, newest.head.size, level, index, width)?)
    }

    /// Answers a question, off the async threads: files are read and written, and the whole log perhaps.
    ///
    /// # Errors
    /// The log does not continue the one that was signed, the store or a file cannot be used, or what is asked for
    /// does not exist. A difference found by an audit is an answer, not an error.
    pub async fn answer(self: &Arc<Self>, log: &Arc<dyn EventLog>, question: Question) -> Result<Value, OfficeError> {
        let (desk, log) = (Arc::clone(self), Arc::clone(log));
        let work = tokio::task::spawn_blocking(move || Handle::current().block_on(desk.work(&*log, question)));
        let stopped = |error: tokio::task::JoinError| LogError::Unavailable {
            what: "the work on the proof ended early".to_owned(),
            source: Some(Box::new(error)),
        };
        work.await.map_err(stopped)?
    }

    async fn work(&self, log: &dyn EventLog, question: Question) -> Result<Value, OfficeError> {
        let mut notary = self.notary.lock().await;
        let answer = match question {
            Question::Key => Ok(json!({ "key": notary.verifier().to_string() })),
            Question::Checkpoint => {
                let checkpoint = notary.checkpoint(log).await?;
                Ok(json!({ "checkpoint": checkpoint.note, "events": checkpoint.head.size }))
            }
            Question::Verify { checkpoints } => verify(&mut notary, log, &checkpoints).await,
            Question::Prove { position } => prove(&mut notary, log, position).await,
            Question::Continue { since: (from, note) } => continuation(&mut notary, log, &from, &note).await,
            Question::Bundle { county, year } => {
                let bundle = bundle::bundle(&mut notary, log, &county, year).await?;
                Ok(json!({ "bundle": bundle }))
            }
        };
        let newest = notary.checkpoints().last().cloned();
        *self.newest.write().expect("a checkpoint is never left half noted") = newest;
        answer
    }
}

async fn verify(notary: &mut Notary, log: &dyn EventLog, given: &[(String, String)]) -> Result<Value, OfficeError> {
    notary.read_on()?;
    let key = notary.verifier();
    let mut claims: Vec<Claim> = (1..)
        .zip(notary.checkpoints())
        .map(|(number, kept)| Claim { from: format!("checkpoint {number} of this log"), head: kept.head, own: true })
        .collect();
    for (from, note) in given {
        let checkpoint = given_checkpoint(from, note, &key)?;
        claims.push(Claim { from: format!("the checkpoint in {from}"), head: checkpoint.head, own: false });
    }
    let Audit { head, checkpoints, differences } = audit(log, &notary.tiles()?, &claims).await?;
    let proved = claims.iter().map(|claim| claim.head.size).max().unwrap_or(0);
    let described: Vec<Value> = differences
        .iter()
        .map(|difference| {
            let mut value = serde_json::to_value(difference).expect("differences are JSON");
            value["words"] = json!(difference.to_string());
            value
        })
        .collect();
    Ok(json!({
        "sound": differences.is_empty(), "events": head.size, "root": STANDARD.encode(head.root),
        "checkpoints": checkpoints, "proved": proved, "differences": described,
    }))
}

/// A checkpoint that was given, once this log's key has signed it.
fn given_checkpoint(from: &str, note: &str, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
    let what = || format!("no checkpoint signed by the key of this log, {key}");
    Checkpoint::open(note, key).ok_or_else(|| ProofError::Note { from: from.to_owned(), what: what() })
}

async fn continuation(notary: &mut Notary, log: &dyn EventLog, from: &str, note: &str) -> Result<Value, OfficeError> {
    let key = notary.verifier();
    let old = given_checkpoint(from, note, &key)?;
    let (checkpoint, proof) = notary.continuation(log, old.head).await?;
    Ok(json!({
        "format": CONTINUATION_FORMAT, "key": key.to_string(), "old": old.note, "checkpoint": checkpoint.note,
        "proof": base64(&proof),
    }))
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

async fn prove(notary: &mut Notary, log: &dyn EventLog, position: Position) -> Result<Value, OfficeError> {
    let included = notary.prove(log, position).await?;
    let included =
        included.ok_or_else(|| OfficeError::NotFound { what: format!("an event at position {position}") })?;
    Ok(json!({
        "format": PROOF_FORMAT, "key": notary.verifier().to_string(), "checkpoint": included.checkpoint.note,
        "event": EventLine::from(&included.event), "proof": base64(&included.proof),
    }))
}
