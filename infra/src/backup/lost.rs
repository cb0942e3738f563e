//! An attachment that an event names and that is not there as it was.

use std::fmt;

use bishui_domain::sha256::Sha256;
use serde::{Deserialize, Serialize};

use crate::attachments::AttachmentError;
use crate::event_log::Position;

/// A lost attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// The event that names it.
    pub event: Position,
    /// Its name there.
    pub name: String,
    /// Its content.
    pub sha256: Sha256,
    /// What is wrong, for people.
    pub fault: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, name, fault, .. } = self;
        write!(f, "event {event} names {name}: {fault}")
    }
}

/// What is wrong with an attachment, in words; a failure to read it with its cause.
pub(super) fn fault(error: &AttachmentError) -> String {
    match error {
        AttachmentError::File { source, .. } => format!("{error}: {source}"),
        AttachmentError::Missing { .. }
        | AttachmentError::Altered { .. }
        | AttachmentError::OtherSize { .. }
        | AttachmentError::Size => error.to_string(),
    }
}
