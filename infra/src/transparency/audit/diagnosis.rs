//! What became of the first event that differs: it is tried whether the events around it, at another place, have the
//! hashes that were stored.

use super::super::ProofError;
use super::super::tiles::{TILE_HASHES, Tiles};
use super::How;
use crate::event_log::leaf::{Hash, leaf_hash};
use crate::event_log::{EventLog, EventRef, Position, Recorded, StreamVersion};

/// Events after the first difference among which its other half is looked for.
const WINDOW: usize = 1_024;
/// Most events put in or taken out together for which every version and place is tried that the next may have had.
const SHIFT_MAX: u64 = 16;
/// Events that are tried at their own versions and places where more were put in or taken out, and the largest payload
/// of those: an event is hashed up to `WINDOW` times.
const FOLLOWERS: usize = 64;
const FOLLOWER_BYTES_MAX: usize = 4_096;

/// What became of the event at `position`, the first whose stored hash is another.
pub(super) async fn diagnose(log: &dyn EventLog, tiles: &Tiles, position: Position) -> Result<How, ProofError> {
    let from = position.0 - 1;
    let events = log.read_all(Position(from), WINDOW).await?;
    let mut stored: Vec<Hash> = Vec::with_capacity(WINDOW);
    while stored.len() < WINDOW {
        let tile = tiles.leaves(from + stored.len() as u64)?;
        let last = (tile.len() as u64) < TILE_HASHES;
        stored.extend(tile);
        if last {
            break;
        }
    }
    Ok(swapped(&events, &stored)
        .or_else(|| removed(&events, &stored))
        .or_else(|| inserted(&events, &stored))
        .or_else(|| many(&events, &stored))
        .unwrap_or(How::Changed))
}

/// The hashes that `event` may have had at the place of `slot`: with its own version, batch and place in it, or with
/// those that belong to the place.
fn at_slot(event: &Recorded, slot: &Recorded) -> impl Iterator<Item = Hash> {
    let own = EventRef::from(event);
    let versions = [event.version, slot.version];
    let batches = [(event.batch, event.place), (slot.batch, slot.place)];
    let position = slot.position;
    versions.into_iter().flat_map(move |version| {
        batches.map(|(batch, place)| leaf_hash(&EventRef { position, version, batch, place, ..own }))
    })
}

fn swapped(events: &[Recorded], stored: &[Hash]) -> Option<How> {
    let (first, first_hash) = (events.first()?, stored.first()?);
    let others = events.iter().zip(stored).skip(1);
    let mut others = others.filter(|(other, hash)| {
        at_slot(first, other).any(|was| was == **hash) && at_slot(other, first).any(|was| was == *first_hash)
    });
    others.next().map(|(other, _)| How::Swapped { with: other.position })
}

/// The hashes that `event` may have had `shift` positions further on (or back): with as many or fewer versions, and at
/// any place of its batch that is near, for a batch that was cut in two may count anew.
fn shifted(event: &Recorded, shift: u64, back: bool) -> impl Iterator<Item = Hash> {
    let own = EventRef::from(event);
    let moved = move |number: u64, by: u64| if back { number.checked_sub(by) } else { number.checked_add(by) };
    let near = u32::try_from(SHIFT_MAX).unwrap_or(u32::MAX);
    let places = own.place.saturating_sub(near)..=own.place.saturating_add(near);
    let hash = move |versions: u64, place: u32| {
        let position = Position(moved(own.position.0, shift)?);
        let version = StreamVersion(moved(own.version.0, versions)?);
        Some(leaf_hash(&EventRef { position, version, place, ..own }))
    };
    (0..=shift).flat_map(move |versions| places.clone().filter_map(move |place| hash(versions, place)))
}

fn removed(events: &[Recorded], stored: &[Hash]) -> Option<How> {
    let next = events.first()?;
    let mut shifts = (1..=SHIFT_MAX).zip(stored.iter().skip(1));
    shifts
        .find(|(shift, hash)| shifted(next, *shift, false).any(|was| was == **hash))
        .map(|(count, _)| How::Removed { count })
}

fn inserted(events: &[Recorded], stored: &[Hash]) -> Option<How> {
    let was_here = stored.first()?;
    let mut shifts = (1..=SHIFT_MAX).zip(events.iter().skip(1));
    shifts
        .find(|(shift, event)| shifted(event, *shift, true).any(|was| was == *was_here))
        .map(|(count, _)| How::Inserted { count })
}

/// More events than are tried above: the streams and batches of most that follow have lost or gained nothing, so that
/// only their positions are others.
fn many(events: &[Recorded], stored: &[Hash]) -> Option<How> {
    let was = |(event, hash): (&Recorded, &Hash), position: u64| {
        let event = EventRef { position: Position(position), ..event.into() };
        event.payload.len() <= FOLLOWER_BYTES_MAX && leaf_hash(&event) == *hash
    };
    (0..WINDOW).zip(0..).skip_while(|(_, count)| *count <= SHIFT_MAX).find_map(|(at, count)| {
        let mut further_on = events.iter().zip(stored.iter().skip(at)).take(FOLLOWERS);
        if further_on.any(|pair| was(pair, pair.0.position.0 + count)) {
            return Some(How::Removed { count });
        }
        let mut back = events.iter().skip(at).zip(stored).take(FOLLOWERS);
        back.any(|pair| was(pair, pair.0.position.0.saturating_sub(count))).then_some(How::Inserted { count })
    })
}
