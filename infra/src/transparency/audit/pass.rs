//! One reading of the log, event by event.

use std::collections::HashMap;

use uuid::Uuid;

use super::super::ProofError;
use super::super::checkpoint::TreeHead;
use super::super::tiles::{TILE_HASHES, Tiles};
use super::super::tree::Frontier;
use super::{Claim, Difference};
use crate::event_log::leaf::{Hash, leaf_hash};
use crate::event_log::{EventRef, Position};

/// What a reading has found.
pub(super) struct Found {
    pub(super) head: TreeHead,
    /// The first place at which the log does not hang together.
    pub(super) order: Option<Difference>,
    /// A claim that the events do not have the root of: the first of this log's own, else the first that was given.
    pub(super) refuted: Option<Refuted>,
    /// A claim that was given and is of another history than this log's own.
    pub(super) forked: Option<Difference>,
    /// The first event whose stored hash is another.
    pub(super) differing: Option<Position>,
    /// Whether a stored hash of inner nodes is not the one that the stored leaf hashes give.
    pub(super) inner_damaged: bool,
    /// The largest claim that is longer than the log.
    pub(super) truncated: Option<Difference>,
}

/// A claim that does not hold.
pub(super) struct Refuted {
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) checkpoint: String,
    /// Whether the stored leaf hashes have the claimed root.
    pub(super) hashes_agree: bool,
}

/// The state of a reading.
pub(super) struct Pass<'a> {
    tiles: &'a Tiles,
    /// Ascending by size; those before `next_claim` were compared.
    claims: Vec<&'a Claim>,
    next_claim: usize,
    /// The largest of this log's own claims that held. One that was given may be of another history, and tells nothing
    /// of where this one went wrong.
    agreed: Option<&'a Claim>,
    events: Frontier,
    versions: HashMap<Box<str>, u64>,
    batch: Option<(Uuid, u32)>,
    /// The tree of the stored leaf hashes, and those of them that were read ahead, backwards.
    stored: Frontier,
    ahead: Vec<Hash>,
    order: Option<Difference>,
    /// The first of this log's own claims that does not hold, and the first that was given and does not.
    refuted: Option<Refuted>,
    given: Option<Refuted>,
    differing: Option<Position>,
    inner_damaged: bool,
    failed: Option<ProofError>,
}

/// The reading cannot go on.
pub(super) struct Stop;

impl<'a> Pass<'a> {
    pub(super) fn new(tiles: &'a Tiles, claims: &'a [Claim]) -> Self {
        let mut claims: Vec<_> = claims.iter().collect();
        claims.sort_by_key(|claim| claim.head.size);
        let mut pass = Self {
            tiles,
            claims,
            next_claim: 0,
            agreed: None,
            events: Frontier::default(),
            versions: HashMap::new(),
            batch: None,
            stored: Frontier::default(),
            ahead: Vec::new(),
            order: None,
            refuted: None,
            given: None,
            differing: None,
            inner_damaged: false,
            failed: None,
        };
        pass.compare_claims();
        pass
    }

    /// Takes the next event in; an error stops the reading, and [`Pass::finish`] says why.
    pub(super) fn take(&mut self, event: &EventRef<'_>) -> Result<(), Stop> {
        let expected = Position(self.events.size() + 1);
        if event.position != expected {
            let what = format!("it is missing: the next event that is there is {}", event.position);
            self.order.get_or_insert(Difference::Order { position: expected, what });
            return Err(Stop);
        }
        if let Some(what) = self.misplaced(event) {
            self.order.get_or_insert(Difference::Order { position: event.position, what });
        }
        let leaf = leaf_hash(event);
        self.events.push(leaf);
        self.compare_stored(leaf).map_err(|error| {
            self.failed = Some(error);
            Stop
        })?;
        self.compare_claims();
        Ok(())
    }

    /// What is wrong with the event's place in its stream and batch.
    fn misplaced(&mut self, event: &EventRef<'_>) -> Option<String> {
        let last = match self.versions.get_mut(event.stream) {
            Some(last) => last,
            None => self.versions.entry(event.stream.into()).or_insert(0),
        };
        let expected = *last + 1;
        *last = event.version.0;
        let within = self.batch.replace((event.batch, event.place));
        let next = match within {
            Some((batch, place)) if batch == event.batch => place.checked_add(1),
            Some(_) | None => Some(0),
        };
        if event.version.0 != expected {
            return Some(format!("it is version {} of {}, where {expected} follows", event.version, event.stream));
        }
        if next != Some(event.place) {
            return Some(format!("it is number {} of batch {}, which does not follow", event.place, event.batch));
        }
        None
    }

    fn compare_stored(&mut self, leaf: Hash) -> Result<(), ProofError> {
        let place = self.stored.size();
        if place + 1 != self.events.size() || place >= self.tiles.size() {
            return Ok(());
        }
        if self.ahead.is_empty() {
            debug_assert_eq!(place % TILE_HASHES, 0, "tiles are read whole");
            self.ahead = self.tiles.leaves(place)?;
            self.ahead.reverse();
        }
        let Some(stored) = self.ahead.pop() else { return Ok(()) };
        if stored != leaf {
            self.differing.get_or_insert(Position(place + 1));
        }
        let mut completed = Vec::new();
        self.stored.push_and_see(stored, |subtree, hash| {
            if Tiles::stores(subtree) {
                completed.push((subtree, hash));
            }
        });
        for (subtree, hash) in completed {
            self.inner_damaged |= self.tiles.stored(subtree)?.is_some_and(|stored| stored != hash);
        }
        Ok(())
    }

    /// Events that this log's own claims have shown to be what they were.
    fn agreed(&self) -> u64 {
        self.agreed.map_or(0, |claim| claim.head.size)
    }

    /// Compares the claims over as many events as were read.
    fn compare_claims(&mut self) {
        let size = self.events.size();
        while let Some(&claim) = self.claims.get(self.next_claim).filter(|claim| claim.head.size == size) {
            let agreed = self.agreed();
            self.next_claim += 1;
            if self.events.root() == claim.head.root {
                self.agreed = if claim.own { Some(claim) } else { self.agreed };
                continue;
            }
            let (refuted, agreed) = if claim.own { (&mut self.refuted, agreed) } else { (&mut self.given, 0) };
            refuted.get_or_insert_with(|| Refuted {
                first: Position(size.min(agreed + 1)),
                last: Position(size),
                checkpoint: claim.from.clone(),
                hashes_agree: self.stored.size() == size && self.stored.root() == claim.head.root,
            });
        }
    }

    /// The claim that was given and does not hold is of another history where one of this log's own holds that covers as
    /// much: both were signed.
    fn forked(&self) -> Option<Difference> {
        let given = self.given.as_ref()?;
        let own = self.agreed.filter(|own| own.head.size >= given.last.0)?;
        let (checkpoint, own) = (given.checkpoint.clone(), own.from.clone());
        Some(Difference::Fork { size: given.last.0, checkpoint, own })
    }

    pub(super) fn finish(mut self) -> Result<Found, ProofError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.compare_beyond()?;
        let head = TreeHead { size: self.events.size(), root: self.events.root() };
        let whole = self.order.as_ref().is_none_or(|order| order.position().0 <= head.size);
        let longer = self.claims.last().filter(|claim| whole && claim.head.size > head.size);
        let truncated = longer.map(|claim| Difference::Truncated {
            events: head.size,
            covered: claim.head.size,
            checkpoint: claim.from.clone(),
        });
        let forked = self.forked();
        let Self { order, refuted, given, differing, inner_damaged, .. } = self;
        let refuted = refuted.or(given.filter(|_| forked.is_none()));
        Ok(Found { head, order, refuted, forked, differing, inner_damaged, truncated })
    }

    /// An event that differs may stand before the end of the log and after the last checkpoint that the log reaches:
    /// then the stored hashes are compared with the first checkpoint beyond the end.
    fn compare_beyond(&mut self) -> Result<(), ProofError> {
        let none_refuted = self.refuted.is_none() && self.given.is_none();
        let Some(claim) = self.claims.get(self.next_claim).filter(|_| none_refuted) else { return Ok(()) };
        if self.differing.is_none_or(|position| position.0 <= self.agreed()) {
            return Ok(());
        }
        let mut stored = self.stored.clone();
        while stored.size() < claim.head.size.min(self.tiles.size()) {
            let within = usize::try_from(claim.head.size - stored.size()).unwrap_or(usize::MAX);
            self.tiles.leaves(stored.size())?.into_iter().take(within).for_each(|leaf| stored.push(leaf));
        }
        if stored.size() == claim.head.size && stored.root() == claim.head.root {
            let (first, last) = (Position(self.agreed() + 1), Position(self.events.size()));
            self.refuted = Some(Refuted { first, last, checkpoint: claim.from.clone(), hashes_agree: true });
        }
        Ok(())
    }
}
