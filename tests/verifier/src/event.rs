//! Events as evidence carries them: JSON objects with every field of the leaf.

use serde_json::{Map, Value};

use crate::{Hash, Or as _, Rejected, json, reject, tree};

/// The fields of an event, all of them.
const FIELDS: [&str; 15] = [
    "position",
    "stream",
    "version",
    "batch",
    "place",
    "type",
    "schema",
    "seconds",
    "nanoseconds",
    "actor",
    "idempotency_key",
    "request",
    "causation",
    "correlation",
    "payload",
];

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Place in the log, from 1.
    pub position: u64,
    /// The stream.
    pub stream: String,
    /// Place in the stream, from 1.
    pub version: u64,
    /// Type.
    pub kind: String,
    /// Seconds since 1970 at which it was recorded.
    pub seconds: i64,
    /// Who acted.
    pub actor: String,
    /// The payload as recorded.
    pub payload: String,
    /// The hash of its leaf.
    pub leaf: Hash,
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// A field is missing, too many, or of another form.
    pub fn read(value: &Value) -> Result<Self, Rejected> {
        let fields = json::fields(value, &FIELDS).map_err(|Rejected(why)| Rejected(format!("an event: {why}")))?;
        Ok(Self {
            position: number(fields, "position")?,
            stream: text(fields, "stream")?.to_owned(),
            version: number(fields, "version")?,
            kind: text(fields, "type")?.to_owned(),
            seconds: fields["seconds"].as_i64().or_reject("no seconds")?,
            actor: text(fields, "actor")?.to_owned(),
            payload: text(fields, "payload")?.to_owned(),
            leaf: tree::leaf(&leaf(fields)?),
        })
    }

    /// When it was recorded, in Beijing time to the second.
    pub fn beijing(&self) -> String {
        let local = self.seconds.saturating_add(8 * 3_600);
        let (day, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, date) = civil(day);
        format!("{year:04}-{month:02}-{date:02} {:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
    }
}

/// Text for people: whatever could break the line or a field of it is replaced.
pub(crate) fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The date of a day counted from 1970-01-01, in eras of 400 years that begin on 1 March.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<u64, Rejected> {
    fields[name].as_u64().or_reject("a number of an event")
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Rejected> {
    fields[name].as_str().or_reject("a text of an event")
}

/// Sixteen bytes from the form 8-4-4-4-12 in lower case; none for null.
fn id(value: &Value) -> Result<Option<[u8; 16]>, Rejected> {
    if value.is_null() {
        return Ok(None);
    }
    let text = value.as_str().or_reject("an id of an event")?;
    let shape = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    if text.len() != 36 || !text.bytes().enumerate().all(shape) {
        return reject("an id of an event is not in its form");
    }
    let number = u128::from_str_radix(&text.replace('-', ""), 16).or_reject("an id of an event")?;
    Ok(Some(number.to_be_bytes()))
}

/// The leaf: numbers big-endian, texts with their length in two bytes, payload last.
fn leaf(fields: &Map<String, Value>) -> Result<Vec<u8>, Rejected> {
    let small = "a number of an event is out of range";
    let mut leaf = Vec::new();
    leaf.extend(number(fields, "position")?.to_be_bytes());
    leaf.extend(number(fields, "version")?.to_be_bytes());
    leaf.extend(id(&fields["batch"])?.or_reject("an event has a batch")?);
    leaf.extend(u32::try_from(number(fields, "place")?).or_reject(small)?.to_be_bytes());
    leaf.extend(u16::try_from(number(fields, "schema")?).or_reject(small)?.to_be_bytes());
    leaf.extend(fields["seconds"].as_i64().or_reject("no seconds")?.to_be_bytes());
    let nanoseconds = fields["nanoseconds"].as_i64().or_reject("no nanoseconds")?;
    leaf.extend(i32::try_from(nanoseconds).or_reject(small)?.to_be_bytes());
    let key = &fields["idempotency_key"];
    let key_text = if key.is_null() { "" } else { text(fields, "idempotency_key")? };
    for field in [text(fields, "stream")?, text(fields, "type")?, text(fields, "actor")?, key_text] {
        leaf.extend(u16::try_from(field.len()).or_reject(small)?.to_be_bytes());
        leaf.extend(field.as_bytes());
    }
    let ids = [id(&fields["request"])?, id(&fields["causation"])?, id(&fields["correlation"])?];
    let flags = [!key.is_null(), ids[0].is_some(), ids[1].is_some(), ids[2].is_some()];
    leaf.push(flags.iter().rev().fold(0, |flags, there| flags << 1 | u8::from(*there)));
    leaf.extend(ids.into_iter().flatten().flatten());
    leaf.extend(text(fields, "payload")?.as_bytes());
    Ok(leaf)
}
