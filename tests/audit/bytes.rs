//! Every byte of every field of every event of a small log changed: the checkpoints that were signed tell, by themselves
//! and without stored hashes.

use bishui_infra::event_log::{Position, Recorded, StreamId, StreamVersion};
use bishui_infra::transparency::audit::{Claim, Difference, audit};
use bishui_infra::transparency::notary::Notary;
use bishui_infra::transparency::tiles::Tiles;
use bishui_tests::copied_log::CopiedLog;
use jiff::Timestamp;
use uuid::Uuid;

use crate::town::{Proved, claim};

/// A field of an event as the bytes that it is made of.
struct Field {
    name: &'static str,
    bytes: fn(&Recorded) -> Vec<u8>,
    /// The event with other bytes in the field; none where they are nothing that a store could tell.
    with: fn(&Recorded, &[u8]) -> Option<Recorded>,
}

/// A field that is a text, an id that may be missing, or a number.
macro_rules! field {
    (text $name:ident) => {
        Field {
            name: stringify!($name),
            bytes: |event| event.$name.clone().into_bytes(),
            with: |event, bytes| Some(Recorded { $name: String::from_utf8(bytes.to_vec()).ok()?, ..event.clone() }),
        }
    };
    (id $name:ident) => {
        Field {
            name: stringify!($name),
            bytes: |event| event.$name.map_or(vec![], |id| id.into_bytes().to_vec()),
            with: |event, bytes| Some(Recorded { $name: Some(Uuid::from_slice(bytes).ok()?), ..event.clone() }),
        }
    };
    (number $name:ident) => {
        Field {
            name: stringify!($name),
            bytes: |event| event.$name.to_be_bytes().to_vec(),
            with: |event, bytes| {
                let mut changed = event.clone();
                changed.$name = number(bytes).try_into().ok()?;
                Some(changed)
            },
        }
    };
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Every field, but the id, which follows from batch and place, and the position: the order of reading.
const FIELDS: [Field; 14] = [
    field!(text kind),
    field!(text actor),
    field!(text payload),
    field!(id causation),
    field!(id correlation),
    field!(id request),
    field!(number schema),
    field!(number place),
    Field {
        name: "stream",
        bytes: |event| event.stream.as_str().as_bytes().to_vec(),
        with: |event, bytes| {
            let name = std::str::from_utf8(bytes).ok()?;
            let stream: StreamId = serde_json::from_value(name.into()).ok()?;
            Some(Recorded { stream, ..event.clone() })
        },
    },
    Field {
        name: "idempotency_key",
        bytes: |event| event.idempotency_key.clone().unwrap_or_default().into_bytes(),
        with: |event, bytes| {
            let idempotency_key = Some(String::from_utf8(bytes.to_vec()).ok()?);
            Some(Recorded { idempotency_key, ..event.clone() })
        },
    },
    Field {
        name: "version",
        bytes: |event| event.version.0.to_be_bytes().to_vec(),
        with: |event, bytes| Some(Recorded { version: StreamVersion(number(bytes)), ..event.clone() }),
    },
    Field {
        name: "batch",
        bytes: |event| event.batch.into_bytes().to_vec(),
        with: |event, bytes| Some(Recorded { batch: Uuid::from_slice(bytes).ok()?, ..event.clone() }),
    },
    Field {
        name: "recorded_at, seconds",
        bytes: |event| event.recorded_at.as_second().to_be_bytes().to_vec(),
        with: |event, bytes| at(event, number(bytes).cast_signed(), event.recorded_at.subsec_nanosecond()),
    },
    Field {
        name: "recorded_at, nanoseconds",
        bytes: |event| event.recorded_at.subsec_nanosecond().to_be_bytes().to_vec(),
        with: |event, bytes| at(event, event.recorded_at.as_second(), i32::try_from(number(bytes)).ok()?),
    },
];

fn at(event: &Recorded, seconds: i64, nanoseconds: i32) -> Option<Recorded> {
    let recorded_at = Timestamp::new(seconds, nanoseconds).ok()?;
    // Nanoseconds that carry into the seconds are two fields changed.
    let same = (recorded_at.as_second(), recorded_at.subsec_nanosecond()) == (seconds, nanoseconds);
    same.then(|| Recorded { recorded_at, ..event.clone() })
}

/// Bits that are turned in a byte, each by itself, and all of them.
const MASKS: [u8; 9] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff];

impl Field {
    /// The event with this byte of the field changed in every way that a store could tell; of a long text in one way.
    fn changed(&self, event: &Recorded, place: usize) -> Vec<Recorded> {
        let whole = (self.bytes)(event);
        let masks = (0..MASKS.len()).map(|turn| MASKS[(place + turn) % MASKS.len()]);
        let changed = masks.filter_map(|mask| {
            let mut other = whole.clone();
            other[place] ^= mask;
            (self.with)(event, &other)
        });
        changed.take(if whole.len() > 64 { 1 } else { MASKS.len() }).collect()
    }
}

#[tokio::test]
async fn every_changed_byte_of_every_event_is_found_and_its_place_named() {
    let mut events = Proved::new().await.events;
    let dir = tempfile::tempdir().unwrap();
    let mut notary = Notary::open(&dir.path().join("proof"), None).unwrap();
    for size in 1..=events.len() {
        notary.checkpoint(&CopiedLog(events[..size].to_vec())).await.unwrap();
    }
    let claims: Vec<Claim> = notary.checkpoints().iter().map(claim).collect();
    let no_hashes = Tiles::read(dir.path(), 0).unwrap();
    let (mut tried, mut unchangeable) = (0, Vec::new());
    for at in 0..events.len() {
        let original = events[at].clone();
        for field in &FIELDS {
            for place in 0..(field.bytes)(&original).len() {
                let changed = field.changed(&original, place);
                if changed.is_empty() {
                    unchangeable.push((field.name, place));
                }
                tried += changed.len();
                for changed in changed {
                    events[at] = changed;
                    let found = audit(&CopiedLog(events.clone()), &no_hashes, &claims).await.unwrap();
                    let named = found.differences.first().map(Difference::position);
                    let place = format!("byte {place} of {} of event {}", field.name, at + 1);
                    assert_eq!(named, Some(Position(at as u64 + 1)), "{place}: {:?}", found.differences);
                }
            }
        }
        events[at] = original;
    }
    // There are no such years.
    unchangeable.retain(|(name, place)| !(*name == "recorded_at, seconds" && *place < 3));
    assert_eq!(unchangeable, []);
    assert!(tried > 10_000, "{tried} changes");
}
