//! Carrying out an act: decided on what is recorded, appended in one batch, once for each request.

use bishui_infra::event_log::{Batch, Idempotency, LogError};
use uuid::Uuid;

use super::{Office, Receipt, Request};
use crate::act::Act;
use crate::error::OfficeError;

/// Times a decision is taken again when another writer was first.
const ATTEMPTS_MAX: usize = 20;

impl Office {
    /// Carries out an act: decides, appends and follows through.
    ///
    /// # Errors
    /// A refusal, an unreadable input, or a failure of the store.
    pub async fn perform(&self, act: &Act, request: &Request) -> Result<Receipt, OfficeError> {
        let idempotency = request.idempotency_key.clone().map(|key| Idempotency { key, request: digest(act) });
        // A repetition is answered from the log even when the act itself would now be refused, or background work fails.
        if let Some(receipt) = self.repetition(idempotency.as_ref()).await? {
            return Ok(receipt);
        }
        let outcome = self.carry_out(act, request, idempotency.as_ref()).await;
        // Another node may have recorded the same request meanwhile, so that here it has nothing to do or is refused.
        let is_settled = match &outcome {
            Ok(receipt) => receipt.duplicate || !receipt.events.is_empty(),
            Err(error) => matches!(error, OfficeError::Log(_)),
        };
        match self.repetition(idempotency.as_ref().filter(|_| !is_settled)).await {
            Ok(Some(receipt)) => Ok(receipt),
            Ok(None) | Err(_) => outcome,
        }
    }

    /// The receipt of a request that is known by its key.
    async fn repetition(&self, known: Option<&Idempotency>) -> Result<Option<Receipt>, OfficeError> {
        let Some(known) = known else { return Ok(None) };
        match self.log().recall(known).await? {
            Some(appended) => Ok(Some(self.receipt(appended, None).await)),
            None => Ok(None),
        }
    }

    async fn carry_out(
        &self,
        act: &Act,
        request: &Request,
        idempotency: Option<&Idempotency>,
    ) -> Result<Receipt, OfficeError> {
        let followed = self.follow_through().await?;
        let id = (self.ids)();
        for _ in 0..ATTEMPTS_MAX {
            if let Some((stream, version)) = &request.if_match
                && self.records.version(stream).await? != *version
            {
                return Err(OfficeError::Moved);
            }
            let mut decided = self.decide(act).await?;
            if let Some((stream, version)) = &request.if_match {
                decided.draft.require(stream.clone(), *version);
                // It moved between the look and the decision: the next round tells.
                if decided.draft.expects(stream) != Some(*version) {
                    continue;
                }
            }
            if decided.draft.is_empty() {
                let position = self.log().head().await?;
                let import = decided.import;
                return Ok(Receipt { position, events: vec![], duplicate: false, followed, import });
            }
            let batch = Batch {
                id,
                recorded_at: self.now(),
                actor: request.actor.clone(),
                causation: None,
                correlation: Some(id),
                idempotency: idempotency.cloned(),
                lease: None,
                writes: decided.draft.into_writes(),
            };
            match self.log().append(batch).await {
                Ok(appended) => {
                    let (first, last) = (appended.first.0, appended.last.0);
                    tracing::info!(correlation = %id, actor = request.actor, first, last, "an act is recorded");
                    return Ok(self.receipt(appended, decided.import).await);
                }
                Err(LogError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let what = "other writers were first every time".to_owned();
        Err(LogError::Unavailable { what, source: None }.into())
    }
}

fn digest(act: &Act) -> Uuid {
    let text = serde_json::to_vec(act).expect("acts hold only strings, numbers and lists");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &text)
}
