//! Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) with exactly one signature, and verifier keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::{Hash, Or as _, Rejected, reject};

/// The key of a log: `name+hash+base64(1 ‖ Ed25519 public key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of the log.
    pub name: String,
    hash: [u8; 4],
    public: VerifyingKey,
}

impl Key {
    /// Reads a verifier key.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, Rejected> {
        let mut parts = text.splitn(3, '+');
        let (name, hash, bytes) = (parts.next(), parts.next(), parts.next());
        let (name, hash, bytes) =
            name.zip(hash).zip(bytes).map(|((a, b), c)| (a, b, c)).or_reject("no verifier key")?;
        let bytes = STANDARD.decode(bytes).or_reject("no verifier key")?;
        let Some((1, key)) = bytes.split_first() else { return reject("no verifier key of Ed25519") };
        let key = VerifyingKey::try_from(key).or_reject("no Ed25519 key")?;
        let digest = Sha256::new().chain_update(name).chain_update(b"\n\x01").chain_update(key.as_bytes()).finalize();
        let own = [digest[0], digest[1], digest[2], digest[3]];
        if format!("{:08x}", u32::from_be_bytes(own)) != hash {
            return reject("the verifier key's hash is not its own");
        }
        Ok(Self { name: name.to_owned(), hash: own, public: key })
    }

    /// Checks that evidence names this key.
    ///
    /// # Errors
    /// It names another, or none.
    pub fn is_named(&self, text: Option<&str>) -> Result<(), Rejected> {
        let named = Self::parse(text.or_reject("no key is named")?)?;
        if named == *self { Ok(()) } else { reject("another key is named") }
    }

    /// The text of a note of these lines, which is signed by this key and has no other signature.
    ///
    /// # Errors
    /// Another form, or another signature.
    pub fn open(&self, lines: &[&str]) -> Result<String, Rejected> {
        let [text @ .., "", signature] = lines else { return reject("no note: an empty line and a signature end it") };
        let text: String = text.iter().flat_map(|line| [line, "\n"]).collect();
        let signed = signature.strip_prefix("— ").and_then(|rest| rest.strip_prefix(&self.name)?.strip_prefix(' '));
        let bytes = STANDARD.decode(signed.or_reject("signed under another name")?).or_reject("no signature")?;
        let Some((hash, bytes)) = bytes.split_first_chunk::<4>() else { return reject("no signature") };
        let signature = Signature::from_slice(bytes).or_reject("no signature")?;
        if *hash != self.hash || self.public.verify_strict(text.as_bytes(), &signature).is_err() {
            return reject("the signature is not by this key");
        }
        Ok(text)
    }

    /// Size and root of a checkpoint of this key's log.
    ///
    /// # Errors
    /// Another form, log or signature.
    pub fn checkpoint(&self, lines: &[&str]) -> Result<(u64, Hash), Rejected> {
        let text = self.open(lines)?;
        let mut lines = text.lines();
        if lines.next() != Some(&self.name) {
            return reject("the checkpoint is of another log");
        }
        let size = lines.next().or_reject("the checkpoint has no size")?;
        let number: u64 = size.parse().or_reject("the checkpoint has no size")?;
        if number.to_string() != size {
            return reject("the checkpoint's size is not in its form");
        }
        Ok((number, hash(lines.next().or_reject("the checkpoint has no root")?)?))
    }
}

/// A hash in base64.
///
/// # Errors
/// It is none.
pub fn hash(text: &str) -> Result<Hash, Rejected> {
    let bytes = STANDARD.decode(text).or_reject("no hash")?;
    bytes.try_into().ok().or_reject("a hash has 32 bytes")
}

/// A hash as base64.
pub fn hash_text(hash: &Hash) -> String {
    STANDARD.encode(hash)
}
