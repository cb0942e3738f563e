//! The lines of a file in UTF-8 or GB18030, one at a time.
//!
//! Neither encoding uses the byte of a line feed inside a character, so a file is cut into lines first and each line is
//! decoded by itself; a damaged line spoils no other.

use std::borrow::Cow;

use encoding_rs::GB18030;

use super::{Fault, LINE_BYTES_MAX, TableError, code};

/// How many intact UTF-8 lines with characters beyond ASCII outweigh one damaged line, so that a stray byte in a UTF-8
/// file does not turn every name in it into other Chinese characters.
const INTACT_LINES_PER_DAMAGED: usize = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Gb18030,
}

/// One line without its line end.
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Its text, or why it has none.
    pub(super) text: Result<Cow<'a, str>, Fault>,
}

/// The lines of a file.
pub(super) struct Lines<'a> {
    rest: Option<&'a [u8]>,
    encoding: Encoding,
    number: u64,
}

impl<'a> Lines<'a> {
    /// The lines of `bytes`, in the encoding they show.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, TableError> {
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
            return Err(TableError::Workbook);
        }
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(TableError::Utf16);
        }
        let (encoding, body) = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
            Some(body) => (Encoding::Utf8, body),
            None => (detect(bytes), bytes),
        };
        Ok(Self { rest: Some(body), encoding, number: 0 })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (line, rest) = cut(self.rest?);
        self.rest = rest;
        self.number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(Line { number: self.number, text: decode(line, self.encoding) })
    }
}

/// The first line and what follows its line feed; nothing follows the last one.
fn cut(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return (bytes, None) };
    let rest = &bytes[end + 1..];
    (&bytes[..end], (!rest.is_empty()).then_some(rest))
}

fn decode(line: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, Fault> {
    if line.len() > LINE_BYTES_MAX {
        let reason = format!("the line has {} bytes, more than {LINE_BYTES_MAX}", line.len());
        return Err(Fault::new(code::LINE_TOO_LONG, reason, "check for a missing line end"));
    }
    let (text, name) = match encoding {
        Encoding::Utf8 => (std::str::from_utf8(line).ok().map(Cow::Borrowed), "UTF-8"),
        Encoding::Gb18030 => (GB18030.decode_without_bom_handling_and_without_replacement(line), "GB18030"),
    };
    match text {
        Some(text) if !text.contains('\u{FFFD}') => Ok(text),
        Some(_) => Err(Fault::new(
            code::ENCODING,
            "the line contains U+FFFD, left by a conversion that lost characters",
            "export the file again from where it was damaged",
        )),
        None => Err(Fault::new(
            code::ENCODING,
            format!("the line has bytes that are not {name}"),
            "save the file as CSV UTF-8 or in GB18030",
        )),
    }
}

/// UTF-8 where every line is UTF-8 or nearly every one that tells; otherwise whichever encoding damages fewer lines.
fn detect(bytes: &[u8]) -> Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return Encoding::Utf8;
    }
    let telling = || bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_ascii());
    let (mut intact, mut damaged) = (0_usize, 0_usize);
    for line in telling() {
        if std::str::from_utf8(line).is_ok() { intact += 1 } else { damaged += 1 }
    }
    if intact >= damaged.saturating_mul(INTACT_LINES_PER_DAMAGED) {
        return Encoding::Utf8;
    }
    let damaged_in_gb18030 = telling().filter(|line| decode(line, Encoding::Gb18030).is_err()).count();
    if damaged_in_gb18030 < damaged { Encoding::Gb18030 } else { Encoding::Utf8 }
}
