//! A SHA-256 hash as facts name it: 64 lower-case hexadecimal digits. It is computed outside this crate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

/// A text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is written as 64 digits of 0-9 and a-f")]
pub struct InvalidSha256;

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = InvalidSha256;
    fn from_str(text: &str) -> Result<Self, InvalidSha256> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(InvalidSha256),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let pairs: &[[u8; 2]; 32] = pairs.try_into().map_err(|_| InvalidSha256)?;
        if !rest.is_empty() {
            return Err(InvalidSha256);
        }
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(hash))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = InvalidSha256;
    fn try_from(text: String) -> Result<Self, InvalidSha256> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(hash: Sha256) -> String {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written_and_in_no_other_form() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (0xaf, 0x09);
        let text = format!("af{}09", "0".repeat(60));
        assert_eq!(Sha256(bytes).to_string(), text);
        assert_eq!(text.parse(), Ok(Sha256(bytes)));
        for wrong in ["", &text[1..], &format!("{text}0"), &text.to_uppercase(), &text.replace('9', "g")] {
            assert_eq!(wrong.parse::<Sha256>(), Err(InvalidSha256), "{wrong}");
        }
    }
}
