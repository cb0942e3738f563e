//! Lists and texts of any length in events of bounded size.
//!
//! The first event of a list carries as many entries as fit and the number of parts that follow in the same batch; each
//! part carries more. A list that fits stays whole. How it was divided says nothing: what counts is the list.

use crate::ids::{CountyId, SectionId};

/// Weight of one event's entries. An event has room for four times as much, so what else it says fits beside them.
pub(crate) const WEIGHT_MAX: usize = 256 << 10;

/// An entry of a list that may be divided.
pub trait Weigh {
    /// Bytes that it takes as JSON, at most.
    fn weight(&self) -> usize;
}

impl Weigh for SectionId {
    fn weight(&self) -> usize {
        self.as_str().len() + 3
    }
}

impl Weigh for CountyId {
    fn weight(&self) -> usize {
        self.as_str().len() + 3
    }
}

/// An event that may go on in parts that follow it.
pub trait InParts: Sized {
    /// Parts that are still to come.
    fn parts(&self) -> u32;

    /// Takes in the part that follows. Once the last is there, the event is as it was before it was divided.
    ///
    /// # Errors
    /// The other event is no part of this one, and given back.
    fn join(&mut self, part: Self) -> Result<(), Self>;
}

/// The number of the part that each entry stands in, by their weights.
pub(crate) fn places(weights: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
    weights.scan((0, 0), |(part, filled), weight| {
        *filled += weight;
        if *filled > WEIGHT_MAX && *filled > weight {
            (*part, *filled) = (*part + 1, weight);
        }
        Some(*part)
    })
}

/// Divides a list; there is one part at least.
pub fn divide<T: Weigh>(list: Vec<T>) -> Vec<Vec<T>> {
    let places: Vec<usize> = places(list.iter().map(Weigh::weight)).collect();
    let mut parts: Vec<Vec<T>> = Vec::new();
    parts.resize_with(places.last().map_or(1, |last| last + 1), Vec::new);
    places.into_iter().zip(list).for_each(|(part, entry)| parts[part].push(entry));
    parts
}

/// The events of a list: `first` with what fits and the number of parts that follow, and `more` for each of these.
pub(crate) fn in_parts<T: Weigh, E>(
    list: Vec<T>,
    first: impl FnOnce(Vec<T>, u32) -> E,
    more: impl Fn(Vec<T>) -> E,
) -> Vec<E> {
    events(divide(list), first, more)
}

/// The events of a text, divided at the ends of its lines where that can be.
pub(crate) fn text_in_parts<E>(
    text: String,
    first: impl FnOnce(String, u32) -> E,
    more: impl Fn(String) -> E,
) -> Vec<E> {
    let fits = places(text.chars().map(weight_of_char)).all(|part| part == 0);
    events(if fits { vec![text] } else { divide_text(&text) }, first, more)
}

fn events<T, E>(parts: Vec<T>, first: impl FnOnce(T, u32) -> E, more: impl Fn(T) -> E) -> Vec<E> {
    let following = count(parts.len().saturating_sub(1));
    let mut parts = parts.into_iter();
    let first = parts.next().map(|part| first(part, following));
    first.into_iter().chain(parts.map(more)).collect()
}

fn divide_text(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut filled = 0;
    for line in text.split_inclusive('\n') {
        let weight: usize = line.chars().map(weight_of_char).sum();
        // A line that no part can hold is cut wherever it must be.
        for (piece, weight) in if weight > WEIGHT_MAX { pieces(line) } else { vec![(line, weight)] } {
            if filled + weight > WEIGHT_MAX {
                parts.push(String::new());
                filled = 0;
            }
            filled += weight;
            parts.last_mut().expect("there is one part at least").push_str(piece);
        }
    }
    parts
}

/// A line in pieces that fit, each with its weight.
fn pieces(line: &str) -> Vec<(&str, usize)> {
    let (mut pieces, mut start, mut filled) = (Vec::new(), 0, 0);
    for (at, c) in line.char_indices() {
        let weight = weight_of_char(c);
        if filled + weight > WEIGHT_MAX {
            pieces.push((&line[start..at], filled));
            (start, filled) = (at, 0);
        }
        filled += weight;
    }
    pieces.push((&line[start..], filled));
    pieces
}

/// Bytes of a character in a JSON text, at most.
fn weight_of_char(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' => 2,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    }
}

/// A number of parts.
pub(crate) fn count(parts: usize) -> u32 {
    u32::try_from(parts).unwrap_or(u32::MAX)
}

/// Whether no part follows; that is not written, so that an undivided event has the form it always had.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
pub(crate) fn none(parts: &u32) -> bool {
    *parts == 0
}

#[cfg(test)]
mod tests;
