//! A section as an aggregate of `cqrs-es`: only its events, for nothing is decided in a measurement.

use bishui_domain::assessment::Verdict;
use bishui_domain::round::SectionEvent;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

/// A section; it has no state, for nothing is decided on it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Section;

/// An event of a section as `cqrs-es` wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Recorded(SectionEvent);

impl Recorded {
    /// Whether it is an unmet assessment.
    pub(crate) fn is_unmet(&self) -> bool {
        match &self.0 {
            SectionEvent::SectionAssessed(judged) => judged.assessment.verdict == Verdict::Unmet,
            SectionEvent::SectionDeclared { .. }
            | SectionEvent::DeclarationWithdrawn { .. }
            | SectionEvent::AssessmentCorrected(_) => false,
        }
    }
}

impl DomainEvent for Recorded {
    fn event_type(&self) -> String {
        bishui::bench::workload::KIND.into()
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

impl Aggregate for Section {
    const TYPE: &'static str = "section";
    type Command = ();
    type Event = Recorded;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn apply(&mut self, _: Recorded) {}
}
