//! Ed25519 keys in the text form of signed notes: `PRIVATE+KEY+name+hash+key` and `name+hash+key`.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{ProofError, file_error};
use crate::durable;

/// The algorithm byte of Ed25519 in the key forms.
const ED25519: u8 = 1;
/// What the text form of a signing key begins with.
const PRIVATE: &str = "PRIVATE+KEY+";
/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// A key that signs, with the name of the log it signs for.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

/// A key that checks signatures, with the name of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

/// The first four bytes of SHA-256 over name, line feed, algorithm and public key: says which key has signed.
fn key_hash(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn hex(hash: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(hash))
}

/// Name, hash and key of the text form; none when it is not one.
fn parts(text: &str) -> Option<(&str, &str, [u8; 32])> {
    let mut parts = text.splitn(3, '+');
    let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_whitespace);
    let bytes = STANDARD.decode(key).ok().filter(|_| sound)?;
    let (algorithm, key) = bytes.split_first()?;
    (*algorithm == ED25519).then_some((name, hash, key.try_into().ok()?))
}

impl SigningKey {
    /// A new key for the log `name`, or for one named after the key.
    ///
    /// # Errors
    /// No random bytes.
    pub fn draw(name: Option<&str>) -> Result<Self, ProofError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(ProofError::Random)?;
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let name =
            name.map_or_else(|| format!("bishui/{}", hex(key_hash("bishui", &key.verifying_key()))), str::to_owned);
        Ok(Self { name, key })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// The file cannot be read, is no key, or may be read by others than its owner.
    pub fn read(path: &Path) -> Result<Self, ProofError> {
        let note = |what: &str| ProofError::Note { from: path.display().to_string(), what: what.to_owned() };
        let mode = fs::metadata(path).map_err(file_error(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(note("others may read the signing key; take their rights away (chmod 600)"));
        }
        let text = fs::read_to_string(path).map_err(file_error(path))?;
        Self::parse(text.trim_end()).ok_or_else(|| note("is no signing key; restore it from a copy"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, hash, seed) = parts(text.strip_prefix(PRIVATE)?)?;
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        (hash == hex(key_hash(name, &key.verifying_key()))).then(|| Self { name: name.to_owned(), key })
    }

    /// Writes the key to a new file that its owner alone may read; after a crash it is there whole or not at all.
    ///
    /// # Errors
    /// The file is there, or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ProofError> {
        let verifier = self.verifier();
        let bytes = [&[ED25519][..], self.key.as_bytes()].concat();
        let text = format!("{PRIVATE}{}+{}+{}\n", self.name, hex(verifier.hash()), STANDARD.encode(bytes));
        let dir = path.parent().unwrap_or(Path::new("."));
        let written = || -> std::io::Result<()> {
            // A temporary file is its owner's alone.
            let mut file = NamedTempFile::new_in(dir)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist_noclobber(path)?;
            durable::sync_dir(dir)
        };
        written().map_err(file_error(path))
    }

    /// The name of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that checks this one's signatures.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The signature of `text`, after the hash of the key.
    pub(super) fn sign(&self, text: &str) -> Vec<u8> {
        [&self.verifier().hash()[..], &self.key.sign(text.as_bytes()).to_bytes()].concat()
    }
}

/// Debug output names the key and never shows it.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.name).finish()
    }
}

impl VerifierKey {
    /// Reads the text form; none when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, hash, key) = parts(text)?;
        let key = VerifyingKey::from_bytes(&key).ok()?;
        (hash == hex(key_hash(name, &key))).then(|| Self { name: name.to_owned(), key })
    }

    /// The name of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> [u8; 4] {
        key_hash(&self.name, &self.key)
    }

    /// Whether `signature`, after the hash of the key, is this key's of `text`.
    pub(super) fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        let Some((hash, signature)) = signature.split_first_chunk::<4>() else { return false };
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        *hash == self.hash() && self.key.verify_strict(text.as_bytes(), &signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[ED25519][..], self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, hex(self.hash()), STANDARD.encode(bytes))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The key pair of the example in the documentation of Go's `note` package.
    pub(in crate::transparency) const SIGNER: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    pub(in crate::transparency) const VERIFIER: &str =
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    /// That key, to sign with.
    pub(in crate::transparency) fn signer() -> SigningKey {
        SigningKey::parse(SIGNER).unwrap()
    }

    #[test]
    fn the_key_of_a_published_pair_is_read_and_its_verifier_written() {
        assert_eq!(signer().verifier().to_string(), VERIFIER);
        assert_eq!(VerifierKey::parse(VERIFIER).unwrap().to_string(), VERIFIER);
        let broken = [VERIFIER.replace("c74f", "c74e"), VERIFIER.replace("Peter", "Pet er"), VERIFIER[..60].to_owned()];
        for text in broken {
            assert_eq!(VerifierKey::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_drawn_key_is_written_for_its_owner_only_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = SigningKey::draw(None).unwrap();
        key.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::read(&path).unwrap().verifier(), key.verifier());
        assert!(matches!(key.write(&path), Err(ProofError::File { .. })), "a key is never written over another");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(SigningKey::read(&path).unwrap_err().to_string().contains("chmod 600"));
        assert_ne!(
            SigningKey::draw(Some("log.example")).unwrap().verifier(),
            SigningKey::draw(Some("log.example")).unwrap().verifier()
        );
        assert!(!format!("{key:?}").contains("AQ"), "debug output does not show the key");
    }
}
