//! What an act can fail with: a rule's refusal, the store, or an input that cannot be read. The three never mix.

use bishui_domain::refusal::Refusal;
use bishui_infra::attachments::AttachmentError;
use bishui_infra::codec::CodecError;
use bishui_infra::event_log::{LogError, Position};
use bishui_infra::transparency::ProofError;

/// Why an act or a question was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed, or another writer was first too often.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A stored event cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The log cannot be proved, or does not continue the one that was signed.
    #[error(transparent)]
    Proof(ProofError),
    /// An input cannot be read; nothing of it was taken.
    #[error("{what}")]
    Input {
        /// What is wrong, where, and what to do.
        what: String,
    },
    /// The running service, asked in place of the store, said no.
    #[error("{detail}")]
    Remote {
        /// The HTTP status.
        status: u16,
        /// The stable code.
        code: String,
        /// What it said.
        detail: String,
    },
    /// What the act is meant for has changed since the asker saw it.
    #[error("it has changed since it was read; read it again and decide again")]
    Moved,
    /// What was asked for does not exist, or the asker may not see it.
    #[error("{what} does not exist")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// What is read does not show this position yet.
    #[error("position {position} was not reached in time; what is read shows position {reached}: ask again")]
    Behind {
        /// The position waited for.
        position: Position,
        /// The position reached.
        reached: Position,
    },
    /// A consumer of the log cannot get past an event.
    #[error("{consumer} has stopped at event {position}: {error}")]
    Stopped {
        /// The consumer.
        consumer: String,
        /// The event.
        position: Position,
        /// Why.
        error: String,
    },
}

/// What is missing or too large lies with the asker; a file that was altered is damage of the store.
impl From<AttachmentError> for OfficeError {
    fn from(error: AttachmentError) -> Self {
        match error {
            // Not where it was looked for: the asker may be anyone.
            AttachmentError::Missing { sha256, .. } => Self::NotFound { what: format!("the attachment {sha256}") },
            AttachmentError::OtherSize { sha256, .. } => {
                let fault = "it has another size than the act names";
                Refusal::InvalidAttachment { name: sha256.to_string(), fault }.into()
            }
            AttachmentError::Size => Self::Input { what: error.to_string() },
            AttachmentError::Altered { .. } => LogError::Corrupt { what: error.to_string() }.into(),
            AttachmentError::File { path, source } => {
                let what = format!("the attachment {}", path.display());
                LogError::Unavailable { what, source: Some(Box::new(source)) }.into()
            }
        }
    }
}

/// Failures of the log stay what they are, whoever was reading it.
impl From<ProofError> for OfficeError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Log(error) => Self::Log(error),
            ProofError::File { .. }
            | ProofError::Note { .. }
            | ProofError::Damaged { .. }
            | ProofError::Lost { .. }
            | ProofError::Random(_)
            | ProofError::Truncated { .. }
            | ProofError::Fork { .. } => Self::Proof(error),
        }
    }
}

fn proof_code(error: &ProofError) -> &'static str {
    match error {
        ProofError::Truncated { .. } => "log_truncated",
        ProofError::Fork { .. } => "log_differs",
        ProofError::Damaged { .. } | ProofError::Lost { .. } => "checkpoints_damaged",
        ProofError::Note { .. } => "invalid_signature",
        ProofError::File { .. } | ProofError::Random(_) => "proof_unavailable",
        ProofError::Log(_) => "store_unavailable",
    }
}

impl OfficeError {
    /// The stable code of the error.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Log(LogError::Conflict { .. } | LogError::CheckpointMoved { .. } | LogError::Deposed { .. }) => {
                "conflict"
            }
            Self::Log(LogError::KeyReused { .. }) => "idempotency_key_reused",
            Self::Log(LogError::TooLarge { .. }) => "too_large",
            Self::Log(LogError::InUse { .. }) => "store_in_use",
            Self::Log(LogError::Unavailable { .. }) => "store_unavailable",
            Self::Log(LogError::Corrupt { .. }) | Self::Codec(_) => "store_damaged",
            Self::Proof(error) => proof_code(error),
            Self::Input { .. } => "invalid_input",
            Self::Remote { code, .. } => code,
            Self::Moved => "precondition_failed",
            Self::NotFound { .. } => "not_found",
            Self::Behind { .. } => "position_not_reached",
            Self::Stopped { .. } => "consumer_stopped",
        }
    }

    /// Whether work failed at an event for a reason that lies in what is recorded, so that work at others is not
    /// concerned; otherwise it lies in the store or in another writer.
    pub(crate) fn lies_in_the_event(&self) -> bool {
        match self {
            Self::Refused(_)
            | Self::Codec(_)
            | Self::Input { .. }
            | Self::NotFound { .. }
            | Self::Moved
            | Self::Remote { .. }
            | Self::Behind { .. }
            | Self::Stopped { .. }
            | Self::Log(LogError::KeyReused { .. } | LogError::TooLarge { .. }) => true,
            Self::Log(
                LogError::Conflict { .. }
                | LogError::CheckpointMoved { .. }
                | LogError::Deposed { .. }
                | LogError::InUse { .. }
                | LogError::Unavailable { .. }
                | LogError::Corrupt { .. },
            )
            | Self::Proof(_) => false,
        }
    }
}
