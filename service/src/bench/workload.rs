//! What is written in a measurement: assessed sections, about 288 bytes of JSON each, in streams with checked versions.
//!
//! Every store and the bare disk get the same events in the same order; what a replay counts tells whether they came
//! back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use bishui_domain::assessment::{Assessment, IndicatorResult, Reason, UnmetIndicator, Verdict};
use bishui_domain::event::Event;
use bishui_domain::indicator::Indicator;
use bishui_domain::monthly::Basis;
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::book::RevisionNumber;
use bishui_domain::reading::Source;
use bishui_domain::round::{Judged, SectionEvent};
use bishui_domain::standard::{Target, WaterClass};
use bishui_domain::value::Value;
use bishui_infra::codec;
use bishui_infra::event_log::LogError;
use serde::Deserialize;

/// Events of a stream before the next stream begins.
pub const EVENTS_PER_STREAM: u64 = 100;
/// Most streams that events are scattered over.
pub const STREAMS_MAX: u64 = 10_000_000;
/// Stored type of the events.
pub const KIND: &str = "section.section_assessed";
/// Different payloads; a prime, so that no pattern of streams repeats.
const PAYLOADS: u32 = 997;

/// How events are spread over streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// A stream at a time, [`EVENTS_PER_STREAM`] each.
    Sequence,
    /// Over so many streams, each event in another one than the event before it.
    Scattered(u64),
}

/// An event to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Number of its stream.
    pub stream: u64,
    /// Its version in the stream, from 1; the store must find the stream at the one before.
    pub version: u64,
    /// Payload JSON.
    pub payload: &'static str,
}

/// Commits of a number of writers at once, each in streams of its own.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Number of the first stream.
    pub first_stream: u64,
    /// Writers at once; each waits for a commit before its next.
    pub writers: u64,
    /// Events of each writer.
    pub events: u64,
    /// Events of a commit.
    pub size: u64,
    /// Over which streams.
    pub spread: Spread,
}

impl Run {
    /// Events of all writers.
    pub fn total(&self) -> u64 {
        self.writers * self.events
    }

    /// Streams of all writers.
    pub fn streams(&self) -> u64 {
        self.writers * self.streams_of_writer()
    }

    fn streams_of_writer(&self) -> u64 {
        match self.spread {
            Spread::Sequence => self.events.div_ceil(EVENTS_PER_STREAM),
            Spread::Scattered(streams) => streams,
        }
    }

    /// The commits of a writer, in order.
    pub fn commits(self, writer: u64) -> impl Iterator<Item = Vec<Fact>> {
        let commits = self.events.div_ceil(self.size);
        (0..commits).map(move |number| {
            let events = number * self.size..((number + 1) * self.size).min(self.events);
            self.facts(writer, events)
        })
    }

    fn facts(&self, writer: u64, events: Range<u64>) -> Vec<Fact> {
        /// Prime and above [`STREAMS_MAX`]: its multiples visit every stream once before any a second time.
        const STRIDE: u64 = 1_000_000_007;
        let first = self.first_stream + writer * self.streams_of_writer();
        let place = |event: u64| match self.spread {
            Spread::Sequence => (event / EVENTS_PER_STREAM, event % EVENTS_PER_STREAM),
            Spread::Scattered(streams) => ((event % streams) * STRIDE % streams, event / streams),
        };
        let fact = |event: u64| {
            let (stream, before) = place(event);
            Fact { stream: first + stream, version: before + 1, payload: payload(event) }
        };
        events.map(fact).collect()
    }
}

fn payload(event: u64) -> &'static str {
    static ALL: LazyLock<Vec<String>> = LazyLock::new(|| (0..PAYLOADS).map(|number| assessed(number).1).collect());
    let number = usize::try_from(event % u64::from(PAYLOADS)).expect("the number of payloads is small");
    &ALL[number]
}

/// An assessment that differs with its number, and its payload as the codec writes it.
fn assessed(number: u32) -> (SectionEvent, String) {
    let month = Month::new(2020, i8::try_from(1 + number % 12).expect("1 to 12")).expect("a month of 2020");
    let verdict = match number % 16 {
        5 | 6 => Verdict::Unmet,
        0 | 3 | 8 | 10 | 12 | 14 => Verdict::Unassessed(Reason::Frozen),
        1..=15 => Verdict::Met,
        16.. => unreachable!("a remainder of 16"),
    };
    let (unmet, indicators) = match verdict {
        Verdict::Unassessed(_) => (Vec::new(), Vec::new()),
        Verdict::Met => (Vec::new(), vec![ammonia(number, false).0]),
        Verdict::Unmet => {
            let (result, unmet) = ammonia(number, true);
            (vec![unmet], vec![result])
        }
    };
    let assessment = Assessment {
        verdict,
        class: indicators.first().and_then(|result| result.class),
        target: Target::III,
        evaluated: if indicators.is_empty() { 0 } else { 5 },
        unmet,
        undecidable: Vec::new(),
        missing: Vec::new(),
        indicators,
        without_value: BTreeMap::new(),
    };
    let judged = Judged {
        period: Period::Month(month),
        revision: RevisionNumber(0),
        readings: vec![(month, u64::from(1 + number % 9))],
        assessment,
    };
    let event = SectionEvent::SectionAssessed(judged);
    let payload = codec::encode(&Event::Section(event.clone())).payload;
    (event, payload)
}

/// A result of ammonia nitrogen, below or above the limit of class III by hundredths.
fn ammonia(number: u32, above: bool) -> (IndicatorResult, UnmetIndicator) {
    let hundredths = 10 + number % 89;
    let value: Value = format!("{}.{hundredths}", u32::from(above)).parse().expect("a plain decimal");
    let class = if above { WaterClass::IV } else { WaterClass::III };
    let unmet = UnmetIndicator {
        indicator: Indicator::Nh3n,
        value: value.clone(),
        limit: "1.0".into(),
        multiple: Some(format!("0.{hundredths}")),
        class,
    };
    let result = IndicatorResult {
        indicator: Indicator::Nh3n,
        value,
        below: None,
        class: Some(class),
        undecidable: false,
        basis: Basis::Manual { source: Source::National, samples: 1 + number % 4 },
        left_out: BTreeMap::new(),
    };
    (result, unmet)
}

/// What the fold needs of a payload.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Folded {
    SectionAssessed { assessment: FoldedAssessment },
}

#[derive(Deserialize)]
struct FoldedAssessment {
    verdict: Verdict,
}

/// What a replay of the whole workload counts: the runs of unmet assessments in each stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Events read.
    pub events: u64,
    /// Runs of two or more unmet assessments in a row.
    pub runs: u64,
    /// The longest of them.
    pub longest: u32,
    /// Length of the run that each stream ends with so far.
    current: Vec<u32>,
}

impl Tally {
    /// Counts the next event of a stream.
    ///
    /// # Errors
    /// `Corrupt` where the stream is none of a workload.
    pub fn count(&mut self, stream: u64, unmet: bool) -> Result<(), LogError> {
        let unknown = || LogError::Corrupt { what: format!("stream {stream} was never written") };
        let place = usize::try_from(stream).map_err(|_| unknown())?;
        if place >= self.current.len() {
            if stream > 2 * STREAMS_MAX {
                return Err(unknown());
            }
            self.current.resize(place + 1, 0);
        }
        let run = &mut self.current[place];
        *run = if unmet { *run + 1 } else { 0 };
        self.events += 1;
        self.runs += u64::from(*run == 2);
        self.longest = self.longest.max(*run);
        Ok(())
    }

    /// Counts the next event of a stream from what the fold needs of its payload; the whole payload is parsed.
    ///
    /// # Errors
    /// `Corrupt` where the payload is none of the workload.
    pub fn count_payload(&mut self, stream: u64, payload: &[u8]) -> Result<(), LogError> {
        match serde_json::from_slice::<Folded>(payload) {
            Ok(Folded::SectionAssessed { assessment }) => self.count(stream, assessment.verdict == Verdict::Unmet),
            Err(error) => Err(LogError::Corrupt { what: format!("stream {stream}: {error}") }),
        }
    }

    /// Counts the next event of a stream from its payload, read into the owned event of the domain.
    ///
    /// # Errors
    /// `Corrupt` where the payload is none of the workload.
    pub fn count_owned(&mut self, stream: u64, payload: &[u8]) -> Result<(), LogError> {
        let event = serde_json::from_slice::<SectionEvent>(payload);
        let unmet = match event {
            Ok(SectionEvent::SectionAssessed(judged)) => judged.assessment.verdict == Verdict::Unmet,
            Ok(
                SectionEvent::SectionDeclared { .. }
                | SectionEvent::DeclarationWithdrawn { .. }
                | SectionEvent::AssessmentCorrected(_),
            ) => return Err(LogError::Corrupt { what: format!("stream {stream} holds an event never written") }),
            Err(error) => return Err(LogError::Corrupt { what: format!("stream {stream}: {error}") }),
        };
        self.count(stream, unmet)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn versions_are_dense(run: Run) -> usize {
        let mut versions = HashMap::new();
        for writer in 0..run.writers {
            for fact in run.commits(writer).flatten() {
                let version = versions.entry(fact.stream).or_insert(0);
                assert_eq!(fact.version, *version + 1, "stream {}", fact.stream);
                *version += 1;
            }
        }
        assert_eq!(versions.values().sum::<u64>(), run.total());
        versions.len()
    }

    #[test]
    fn every_writer_fills_streams_of_its_own_in_order() {
        let run = Run { first_stream: 7, writers: 3, events: 250, size: 40, spread: Spread::Sequence };
        assert_eq!(versions_are_dense(run), 9);
        assert_eq!(run.streams(), 9);
        assert_eq!(run.commits(2).map(|facts| facts.len()).collect::<Vec<_>>(), [40, 40, 40, 40, 40, 40, 10]);
    }

    #[test]
    fn scattered_events_visit_every_stream_in_turn() {
        let run = Run { first_stream: 0, writers: 1, events: 1_000, size: 100, spread: Spread::Scattered(300) };
        assert_eq!(versions_are_dense(run), 300);
        let facts = run.commits(0).next().expect("a first commit");
        assert!(facts.windows(2).all(|pair| pair[0].stream != pair[1].stream));
    }

    #[test]
    fn events_have_the_size_that_the_figures_name() {
        let bytes: u64 = (0..u64::from(PAYLOADS)).map(|event| payload(event).len() as u64).sum();
        let mean = bytes / u64::from(PAYLOADS);
        assert!((284..=292).contains(&mean), "{mean} bytes: {}", payload(1));
    }

    #[test]
    fn what_is_written_is_read_back_by_the_service() {
        for number in 0..PAYLOADS {
            let (event, payload) = assessed(number);
            assert_eq!(serde_json::from_str::<SectionEvent>(&payload).expect("the codec reads it"), event);
        }
    }

    #[test]
    fn a_tally_counts_runs_within_streams() {
        let mut tally = Tally::default();
        for (stream, unmet) in [(0, true), (1, true), (0, true), (1, false), (0, true), (0, false), (1, true)] {
            tally.count(stream, unmet).expect("known streams");
        }
        assert_eq!((tally.events, tally.runs, tally.longest), (7, 1, 3));
    }

    #[test]
    fn a_payload_that_was_never_written_is_no_part_of_a_tally() {
        let mut tally = Tally::default();
        assert!(matches!(tally.count_payload(0, b"{}"), Err(LogError::Corrupt { .. })));
        let declared = br#"{"section_declared":{"period":"2020-02","reason":"dry"}}"#;
        assert!(matches!(tally.count_payload(0, declared), Err(LogError::Corrupt { .. })));
        assert!(matches!(tally.count(u64::MAX, true), Err(LogError::Corrupt { .. })));
        assert_eq!(tally, Tally::default());
    }
}
