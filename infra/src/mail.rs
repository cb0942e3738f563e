//! Mail: one message to some recipients, and what became of it for each of them.
//!
//! A mailer answers for every recipient it was given, never claims an acceptance it did not see, and says
//! [`Outcome::Unknown`] where a message may or may not have been accepted: then a person decides, not a retry.

mod backoff;
pub mod message;
pub mod sink;
pub mod smtp;
pub mod spool;

use async_trait::async_trait;
use lettre::Address;

pub use backoff::retry_delay;
pub use bishui_domain::delivery::{Outcome, RecipientOutcome};
pub use message::{MessageError, OutgoingMail};
pub use sink::SinkMailer;
pub use smtp::{SettingsError, SmtpMailer, SmtpSettings};
pub use spool::SpoolMailer;

/// Most characters of a server's reply that are kept.
pub const REPLY_CHARS_MAX: usize = 300;

/// Something that takes messages.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands `mail` over for `recipients`, the part of `mail.to` that is not settled yet.
    ///
    /// The answer holds one outcome for each of `recipients`, in their order.
    async fn send(&self, mail: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome>;

    /// Whether sending the same message twice can never make a second message.
    ///
    /// Where it cannot, an attempt cut short by a crash is simply repeated; elsewhere its outcome is unknown.
    fn idempotent(&self) -> bool;

    /// Where messages go, for people; holds no secret.
    fn describe(&self) -> String;
}

/// The address in `recipient`, or the outcome that says why there is none.
fn recipient_address(recipient: &str) -> Result<Address, Outcome> {
    match message::mailbox(recipient) {
        Ok(mailbox) => Ok(mailbox.email),
        Err(fault) => Err(Outcome::Failed { reply: fault.to_string() }),
    }
}

/// Gives every recipient with a usable address the outcome of `deliver`, which sees only those, and the others theirs.
async fn for_usable<F>(recipients: &[String], deliver: impl FnOnce(Vec<Address>) -> F) -> Vec<RecipientOutcome>
where
    F: Future<Output = Vec<Outcome>>,
{
    let parsed: Vec<_> = recipients.iter().map(|recipient| recipient_address(recipient)).collect();
    let usable: Vec<Address> = parsed.iter().filter_map(|address| address.as_ref().ok()).cloned().collect();
    let mut delivered = if usable.is_empty() { Vec::new() } else { deliver(usable).await }.into_iter();
    recipients
        .iter()
        .zip(parsed)
        .map(|(recipient, parsed)| RecipientOutcome {
            address: recipient.clone(),
            outcome: match parsed {
                Ok(_) => delivered.next().expect("deliver answers for every address"),
                Err(outcome) => outcome,
            },
        })
        .collect()
}

/// `text` fit to be shown and stored: one line, no control characters, at most [`REPLY_CHARS_MAX`] characters.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.trim().chars().take(REPLY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_stored_under_their_names() {
        let text = || "250 ok".to_owned();
        let pairs = [
            (Outcome::Accepted { reply: text() }, r#"{"kind":"accepted","reply":"250 ok"}"#),
            (Outcome::Deferred { reply: text() }, r#"{"kind":"deferred","reply":"250 ok"}"#),
            (Outcome::Failed { reply: text() }, r#"{"kind":"failed","reply":"250 ok"}"#),
            (Outcome::Unknown { what: text() }, r#"{"kind":"unknown","what":"250 ok"}"#),
        ];
        for (outcome, stored) in pairs {
            let one = RecipientOutcome { address: "a@b.cn".to_owned(), outcome };
            let whole = format!(r#"{{"address":"a@b.cn","outcome":{stored}}}"#);
            assert_eq!(serde_json::to_string(&one).unwrap(), whole);
            assert_eq!(serde_json::from_str::<RecipientOutcome>(&whole).unwrap(), one);
        }
    }

    #[test]
    fn a_reply_becomes_one_short_line() {
        assert_eq!(one_line("  550 no\r\n\u{1b}[31mred\0 "), "550 no   [31mred");
        assert_eq!(one_line(&"水".repeat(500)), "水".repeat(REPLY_CHARS_MAX));
    }
}
