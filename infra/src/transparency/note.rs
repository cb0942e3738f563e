//! Signed notes (C2SP signed-note): a text, an empty line, and lines `— name base64(key hash ‖ signature)`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::{SigningKey, VerifierKey};

/// Longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 1 << 16;

/// The note of `text`, which ends with a line feed, signed by `key`.
pub fn sign(text: &str, key: &SigningKey) -> String {
    format!("{text}\n— {} {}\n", key.name(), STANDARD.encode(key.sign(text)))
}

/// The text of a note and the line of the signature by `key`; other signatures are passed over. None when it has not
/// signed, or when this is no note.
pub fn open<'a>(note: &'a str, key: &VerifierKey) -> Option<(&'a str, &'a str)> {
    if note.len() > NOTE_BYTES_MAX || !note.ends_with('\n') {
        return None;
    }
    let end = note.rfind("\n\n")?;
    let (text, signatures) = (&note[..=end], &note[end + 2..]);
    let by_key = |line: &&str| {
        let parts = line.strip_prefix("— ").and_then(|rest| rest.split_once(' '));
        let signature = parts.filter(|(name, _)| *name == key.name()).and_then(|(_, text)| STANDARD.decode(text).ok());
        signature.is_some_and(|signature| key.has_signed(text, &signature))
    };
    Some((text, signatures.lines().find(by_key)?))
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{VERIFIER, signer};
    use super::*;

    /// The example in the documentation of Go's `note` package.
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const SIGNATURE: &str =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_published_note_is_signed_and_opened_alike() {
        let key = VerifierKey::parse(VERIFIER).unwrap();
        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(sign(TEXT, &signer()), note);
        let own = Some((TEXT, SIGNATURE.trim_end()));
        assert_eq!(open(&note, &key), own);
        let cosigned = format!("{TEXT}\n— witness.example AAAA\n{SIGNATURE}");
        assert_eq!(open(&cosigned, &key), own);
    }

    #[test]
    fn no_byte_of_a_note_can_be_changed() {
        let key = VerifierKey::parse(VERIFIER).unwrap();
        let note = sign(TEXT, &signer()).into_bytes();
        for at in 0..note.len() {
            for mask in [0x01, 0x80] {
                let mut changed = note.clone();
                changed[at] ^= mask;
                let accepted = String::from_utf8(changed).is_ok_and(|changed| open(&changed, &key).is_some());
                assert!(!accepted, "byte {at} xor {mask:#x}");
            }
        }
    }
}
