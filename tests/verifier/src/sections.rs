//! The lines of a bundle by section, and its seal.

use sha2::{Digest as _, Sha256};

use crate::note::{Key, hash_text};
use crate::{Or as _, Rejected, reject};

/// The format, and its version.
pub const FORMAT: &str = "bishui-bundle/1";
/// What the last section begins with.
const SEAL: &str = "[seal] 5\n";

/// A section: what stands in its brackets, and its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// The name, and what follows it.
    pub name: &'a str,
    /// The lines.
    pub lines: Vec<&'a str>,
}

/// Checks the seal of a bundle and gives what it covers: everything before it.
///
/// # Errors
/// The seal is not this key's, or not over these bytes.
pub fn unseal<'a>(bundle: &'a [u8], key: &Key) -> Result<&'a [u8], Rejected> {
    let at = seal_at(bundle)?;
    let (body, seal) = bundle.split_at(at);
    let seal = std::str::from_utf8(&seal[SEAL.len()..]).or_reject("the seal")?;
    let lines: Vec<&str> = seal.strip_suffix('\n').or_reject("the seal has no end")?.split('\n').collect();
    let expected = format!("{FORMAT}\n{}\n{}\n", key.name, hash_text(&Sha256::digest(body).into()));
    if lines.len() != 5 || lines[..3].join("\n") + "\n" != expected {
        return reject("the seal is over other bytes");
    }
    key.open(&lines).map_err(|Rejected(why)| Rejected(format!("the seal: {why}")))?;
    Ok(body)
}

/// What stands before the seal, whatever the seal says.
///
/// # Errors
/// There is no seal.
pub fn body(bundle: &[u8]) -> Result<&[u8], Rejected> {
    Ok(&bundle[..seal_at(bundle)?])
}

/// Where the last section begins: the sixth line from the end.
fn seal_at(bundle: &[u8]) -> Result<usize, Rejected> {
    let mut ends = bundle.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let at = ends.nth(6).or_reject("there is no seal")? + 1;
    if bundle[at..].starts_with(SEAL.as_bytes()) { Ok(at) } else { reject("there is no seal") }
}

/// The first line and the sections of what a seal covers.
///
/// # Errors
/// Lines that are not of this form.
pub fn split(body: &[u8]) -> Result<(&str, Vec<Section<'_>>), Rejected> {
    let text = std::str::from_utf8(body).or_reject("the bundle is not UTF-8")?;
    let mut lines = text.strip_suffix('\n').or_reject("the bundle has no end")?.split('\n');
    let first = lines.next().or_reject("the bundle is empty")?;
    let mut sections = Vec::new();
    while let Some(head) = lines.next() {
        let (name, count) = head.strip_prefix('[').and_then(|rest| rest.split_once("] ")).or_reject("no section")?;
        let number: usize = count.parse().or_reject("a section without its number of lines")?;
        let taken: Vec<&str> = lines.by_ref().take(number).collect();
        if taken.len() != number || number.to_string() != count {
            return reject(format!("section {name} has not the lines it says"));
        }
        sections.push(Section { name, lines: taken });
    }
    Ok((first, sections))
}
