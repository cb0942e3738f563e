//! A message as the service decides it, and its RFC 5322 bytes.
//!
//! Equal messages give equal bytes. The bytes are 7-bit and no field can carry a header of its own: control characters
//! in the subject, an address or the Message-ID are refused.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue, To};
use lettre::message::{Mailbox, Mailboxes, Message, MultiPart, SinglePart};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Most bytes in a subject: without a space it stands in one line, and a line has at most 998.
pub const SUBJECT_BYTES_MAX: usize = 900;
/// Most bytes in a mailbox, for the same reason.
pub const MAILBOX_BYTES_MAX: usize = 500;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingMail {
    /// The Message-ID with its angle brackets, the same for every attempt.
    pub message_id: String,
    /// The mailbox that sends, `name <address>` or an address.
    pub from: String,
    /// The mailboxes that receive.
    pub to: Vec<String>,
    /// The subject, one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same text as HTML, if there is one.
    pub html: Option<String>,
    /// When the message was decided.
    pub date: Timestamp,
}

/// Why a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// A line break or another control character where only one line can stand; correct the field.
    #[error("{field} holds a line break or another control character")]
    ControlCharacter {
        /// The field.
        field: &'static str,
    },
    /// Not a mail address; correct it.
    #[error("{mailbox:?} is not a mail address")]
    Address {
        /// The mailbox as it was given.
        mailbox: String,
    },
    /// None of the recipients has a usable address; correct one.
    #[error("no recipient has a usable mail address")]
    NoRecipient,
    /// Not a Message-ID; a fault of the caller.
    #[error("message id {message_id:?} is not of the form <left@right>")]
    MessageId {
        /// The Message-ID as it was given.
        message_id: String,
    },
    /// Too long a subject; shorten it.
    #[error("the subject has {bytes} bytes, at most {SUBJECT_BYTES_MAX} are allowed")]
    SubjectTooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// A date that the header cannot hold; a fault of the caller.
    #[error("the date {date} is not between 1970 and 9998")]
    Date {
        /// The date as it was given.
        date: Timestamp,
    },
}

impl OutgoingMail {
    /// The bytes of the message, without the SMTP envelope.
    ///
    /// Recipients without a usable address are left out of the `To` header: one bad address in a list must not keep
    /// the message from the others. A mailer reports them as failed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        self.check_message_id()?;
        let subject = one_line_field("the subject", &self.subject)?;
        if subject.len() > SUBJECT_BYTES_MAX {
            return Err(MessageError::SubjectTooLong { bytes: subject.len() });
        }
        let to: Vec<Mailbox> = self.to.iter().filter_map(|recipient| mailbox(recipient).ok()).collect();
        if to.is_empty() {
            return Err(MessageError::NoRecipient);
        }
        let builder = Message::builder()
            .message_id(Some(self.message_id.clone()))
            .date(self.header_date()?)
            .from(mailbox(&self.from)?)
            .mailbox(To::from(Mailboxes::from_iter(to)))
            .subject(subject)
            .header(AutoSubmitted);
        let text = part(ContentType::TEXT_PLAIN, &self.text);
        let message = match &self.html {
            None => builder.singlepart(text),
            Some(html) => {
                let alternative = MultiPart::alternative().boundary(self.boundary());
                builder.multipart(alternative.singlepart(text).singlepart(part(ContentType::TEXT_HTML, html)))
            }
        };
        Ok(message.expect("sender and recipients are set").formatted())
    }

    /// The MIME boundary. It starts with `=_`, which stands in no base64 line, and takes nothing from chance.
    fn boundary(&self) -> String {
        let digest = Sha256::digest(self.message_id.as_bytes());
        format!("=_{}", hex(&digest[..16]))
    }

    fn check_message_id(&self) -> Result<(), MessageError> {
        let inner = self.message_id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        let plain = |side: &str| {
            !side.is_empty() && side.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'@'))
        };
        match inner.and_then(|inner| inner.split_once('@')) {
            Some((left, right)) if plain(left) && plain(right) && self.message_id.len() <= 250 => Ok(()),
            Some(_) | None => Err(MessageError::MessageId { message_id: self.message_id.clone() }),
        }
    }

    fn header_date(&self) -> Result<SystemTime, MessageError> {
        // lettre panics on a date it cannot write.
        const YEAR_9999: u64 = 253_370_764_800;
        match u64::try_from(self.date.as_second()) {
            Ok(seconds) if seconds < YEAR_9999 => Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
            Ok(_) | Err(_) => Err(MessageError::Date { date: self.date }),
        }
    }
}

/// Reads `name <address>` or a bare address; names may hold any printable characters.
///
/// lettre's own reading takes neither a Chinese name with brackets nor a comma in it.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, MessageError> {
    let text = one_line_field("the mail address", text)?.trim();
    let not_an_address = || MessageError::Address { mailbox: text.to_owned() };
    let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", text),
    };
    // A name beyond ASCII is encoded; an address beyond ASCII would need SMTPUTF8, which few servers have.
    if !address.is_ascii() || text.len() > MAILBOX_BYTES_MAX {
        return Err(not_an_address());
    }
    let email: Address = address.parse().map_err(|_| not_an_address())?;
    Ok(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), email))
}

fn one_line_field<'a>(field: &'static str, text: &'a str) -> Result<&'a str, MessageError> {
    // U+2028 and U+2029 are line breaks too, though not control characters.
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(MessageError::ControlCharacter { field });
    }
    Ok(text)
}

/// Always base64: no line can look like a boundary, a dot or anything else the way there might change.
fn part(kind: ContentType, body: &str) -> SinglePart {
    SinglePart::builder().header(kind).header(ContentTransferEncoding::Base64).body(body.to_owned())
}

/// `bytes` in lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a string takes everything");
        digits
    })
}

/// Tells automatic responders not to answer (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests;
