//! The streams of the log, read into the states that decisions are taken on, and the draft of a batch.

mod draft;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bishui_domain::compensation::Compensation;
use bishui_domain::consumer::ConsumerFile;
use bishui_domain::county::County;
use bishui_domain::delivery::Mail;
use bishui_domain::event::Event;
use bishui_domain::ids::{CountyId, MailId, NoticeId, SectionId};
use bishui_domain::notice::{Notice, Numbering, Series};
use bishui_domain::parts::InParts;
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::book::PlanBook;
use bishui_domain::readings::MonthReadings;
use bishui_domain::round::{Dossier, SectionFile};
use bishui_domain::settlement::SettlementFile;
use bishui_infra::codec;
use bishui_infra::event_log::{EventLog, Recorded, StreamId, StreamVersion};

use crate::error::OfficeError;

pub use draft::Draft;

/// Events read at a time.
const PAGE: usize = 1_000;

/// Names of the streams.
pub mod stream {
    use super::{CountyId, MailId, Month, NoticeId, Period, SectionId, Series, StreamId};

    /// The plan book.
    pub fn plan() -> StreamId {
        StreamId::new("plan", "book")
    }
    /// Readings of a section in a month.
    pub fn readings(section: &SectionId, month: Month) -> StreamId {
        StreamId::new("readings", format_args!("{section}/{month}"))
    }
    /// A section's declarations and assessments.
    pub fn section(section: &SectionId) -> StreamId {
        StreamId::new("section", section)
    }
    /// A round.
    pub fn round(period: Period) -> StreamId {
        StreamId::new("round", period)
    }
    /// A county's record.
    pub fn county(county: &CountyId) -> StreamId {
        StreamId::new("county", county)
    }
    /// A county's compensation.
    pub fn compensation(county: &CountyId) -> StreamId {
        StreamId::new("compensation", county)
    }
    /// A year's settlement.
    pub fn settlement(year: i16) -> StreamId {
        StreamId::new("settlement", year)
    }
    /// A notice.
    pub fn notice(notice: NoticeId) -> StreamId {
        StreamId::new("notice", notice)
    }
    /// Document numbers of a series and year.
    pub fn numbering(series: Series, year: i16) -> StreamId {
        StreamId::new("numbering", format_args!("{series}-{year}"))
    }
    /// A mail message.
    pub fn mail(mail: MailId) -> StreamId {
        StreamId::new("mail", mail)
    }
    /// A consumer of the log.
    pub fn consumer(name: &str) -> StreamId {
        StreamId::new("consumer", name)
    }
}

/// The log, read stream by stream.
pub struct Records {
    log: Arc<dyn EventLog>,
    plan: Mutex<(Arc<PlanBook>, StreamVersion)>,
    numbering: Mutex<HashMap<StreamId, (Numbering, StreamVersion)>>,
}

impl Records {
    /// Records of `log`.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log, plan: Mutex::default(), numbering: Mutex::default() }
    }

    /// The log itself.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Forgets what is kept between calls: the log is not the one that it was read from.
    pub(crate) fn forget(&self) {
        *self.plan.lock().expect("the plan is never left half read") = Default::default();
        self.numbering.lock().expect("a numbering is never left half read").clear();
    }

    /// All events of a stream after a version, in order.
    pub async fn events(&self, stream: &StreamId, after: StreamVersion) -> Result<Vec<Recorded>, OfficeError> {
        let (mut events, mut after) = (Vec::new(), after);
        loop {
            let page = self.log.read_stream(stream, after, PAGE).await?;
            let full = page.len() == PAGE;
            after = page.last().map_or(after, |last| last.version);
            events.extend(page);
            if !full {
                return Ok(events);
            }
        }
    }

    /// What an event says together with the parts that follow it in its stream.
    pub async fn whole(&self, first: &Recorded) -> Result<Event, OfficeError> {
        let mut event = codec::decode(first)?;
        let parts = usize::try_from(event.parts()).unwrap_or(usize::MAX);
        if parts > 0 {
            for recorded in self.log.read_stream(&first.stream, first.version, parts).await? {
                let unreadable = |_| codec::CodecError::unreadable(&recorded);
                event.join(codec::decode(&recorded)?).map_err(unreadable)?;
            }
        }
        Ok(event)
    }

    /// The state of a stream from its events, and its version.
    async fn fold<S>(
        &self,
        stream: &StreamId,
        state: S,
        evolve: impl Fn(S, &Event) -> S,
    ) -> Result<(S, StreamVersion), OfficeError> {
        self.fold_from(stream, (state, StreamVersion(0)), evolve).await
    }

    /// The state of a stream from a state at a version and the events after it.
    async fn fold_from<S>(
        &self,
        stream: &StreamId,
        (mut state, mut version): (S, StreamVersion),
        evolve: impl Fn(S, &Event) -> S,
    ) -> Result<(S, StreamVersion), OfficeError> {
        for recorded in self.events(stream, version).await? {
            state = evolve(state, &codec::decode(&recorded)?);
            version = recorded.version;
        }
        Ok((state, version))
    }

    /// The adopted plans. Kept between calls: only what was adopted since is read.
    pub async fn plan_book(&self) -> Result<(Arc<PlanBook>, StreamVersion), OfficeError> {
        let (known, version) = self.plan.lock().expect("the plan is never left half read").clone();
        let newer = self.events(&stream::plan(), version).await?;
        let Some(last) = newer.last() else { return Ok((known, version)) };
        let mut book = PlanBook::clone(&known);
        for recorded in &newer {
            if let Event::Plan(event) = codec::decode(recorded)? {
                book = book.evolve(&event);
            }
        }
        let fresh = (Arc::new(book), last.version);
        *self.plan.lock().expect("the plan is never left half read") = fresh.clone();
        Ok(fresh)
    }

    /// A section's declarations and assessments.
    pub async fn section(&self, id: &SectionId) -> Result<(SectionFile, StreamVersion), OfficeError> {
        self.fold(&stream::section(id), SectionFile::default(), |state, event| {
            if let Event::Section(event) = event { state.evolve(event) } else { unexpected(state, event) }
        })
        .await
    }

    /// A section's readings of a month.
    pub async fn readings(&self, id: &SectionId, month: Month) -> Result<(MonthReadings, StreamVersion), OfficeError> {
        self.fold(&stream::readings(id, month), MonthReadings::default(), |state, event| {
            if let Event::Readings(event) = event { state.evolve(event) } else { unexpected(state, event) }
        })
        .await
    }

    /// A section's file and its readings of `months`; each stream read becomes a condition of `draft`.
    pub async fn dossier(&self, id: &SectionId, months: &[Month], draft: &mut Draft) -> Result<Dossier, OfficeError> {
        let (file, version) = self.section(id).await?;
        draft.require(stream::section(id), version);
        let mut dossier = Dossier { file, readings: std::collections::BTreeMap::new() };
        for month in months {
            let (readings, version) = self.readings(id, *month).await?;
            draft.require(stream::readings(id, *month), version);
            dossier.readings.insert(*month, (readings, version.0));
        }
        Ok(dossier)
    }

    /// The version of a stream: 0 while it has no event.
    pub async fn version(&self, stream: &StreamId) -> Result<StreamVersion, OfficeError> {
        Ok(self.log.version(stream).await?)
    }

    /// A county's record.
    pub async fn county(&self, id: &CountyId) -> Result<(County, StreamVersion), OfficeError> {
        self.fold(&stream::county(id), County::default(), |state, event| {
            if let Event::County(event) = event { state.evolve(event) } else { unexpected(state, event) }
        })
        .await
    }

    /// A county's compensation.
    pub async fn compensation(&self, id: &CountyId) -> Result<(Compensation, StreamVersion), OfficeError> {
        self.fold(&stream::compensation(id), Compensation::default(), |state, event| {
            if let Event::Compensation(event) = event { state.evolve(event) } else { unexpected(state, event) }
        })
        .await
    }

    /// A year's settlement.
    pub async fn settlement(&self, year: i16) -> Result<(SettlementFile, StreamVersion), OfficeError> {
        self.fold(&stream::settlement(year), SettlementFile::default(), |state, event| {
            if let Event::Settlement(event) = event { state.evolve(event) } else { unexpected(state, event) }
        })
        .await
    }

    /// A notice, if it exists.
    pub async fn notice(&self, id: NoticeId) -> Result<(Option<Notice>, StreamVersion), OfficeError> {
        self.fold(&stream::notice(id), None, |state, event| {
            if let Event::Notice(event) = event { Notice::evolve(state, event) } else { unexpected(state, event) }
        })
        .await
    }

    /// The numbers given in a series and year. Kept between calls, since every approval asks: only what was given since
    /// is read.
    pub async fn numbering(&self, series: Series, year: i16) -> Result<(Numbering, StreamVersion), OfficeError> {
        let stream = stream::numbering(series, year);
        let known = self.numbering.lock().expect("a numbering is never left half read").get(&stream).cloned();
        let fresh = self
            .fold_from(&stream, known.unwrap_or_default(), |state, event| {
                if let Event::Numbering(event) = event { state.evolve(event) } else { unexpected(state, event) }
            })
            .await?;
        self.numbering.lock().expect("a numbering is never left half read").insert(stream, fresh.clone());
        Ok(fresh)
    }

    /// A mail message, if it exists.
    pub async fn mail(&self, id: MailId) -> Result<(Option<Mail>, StreamVersion), OfficeError> {
        self.fold(&stream::mail(id), None, |state, event| {
            if let Event::Mail(event) = event { Mail::evolve(state, event) } else { unexpected(state, event) }
        })
        .await
    }

    /// The stops and skips of a consumer of the log.
    pub async fn consumer(&self, name: &str) -> Result<(ConsumerFile, StreamVersion), OfficeError> {
        self.fold(&stream::consumer(name), ConsumerFile::default(), |state, event| {
            if let Event::Consumer(event) = event { state.evolve(event) } else { unexpected(state, event) }
        })
        .await
    }
}

/// An event of another family in a stream: no writer of this program makes one, so it is logged and does not count.
fn unexpected<S>(state: S, event: &Event) -> S {
    tracing::error!(family = event.family(), "an event stands in a stream of another family");
    state
}
