//! An attachment: a file that stands beside the log, named in an event by its content.

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::sha256::Sha256;

/// Most bytes of an attachment.
pub const ATTACHMENT_BYTES_MAX: u64 = 32 << 20;
/// Most attachments of one report.
pub const ATTACHMENTS_MAX: usize = 20;
/// Longest name of a file, in characters.
pub const FILE_NAME_CHARS_MAX: usize = 200;
/// Longest media type, in characters.
const MEDIA_TYPE_CHARS_MAX: usize = 100;

/// A file as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Name of the file, without a directory.
    pub name: String,
    /// Media type, for example `application/pdf`.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Its content.
    pub sha256: Sha256,
}

/// Refuses attachments that cannot be kept as they are named.
///
/// # Errors
/// Too many, too large or empty, a name that is no plain file name, or a media type that is none.
pub fn check(attachments: &[Attachment]) -> Result<(), Refusal> {
    if attachments.len() > ATTACHMENTS_MAX {
        return Err(Refusal::InvalidAttachment { name: String::new(), fault: "at most 20 files go with a report" });
    }
    for attachment in attachments {
        if let Some(fault) = fault(attachment) {
            let name = attachment.name.chars().take(FILE_NAME_CHARS_MAX).collect();
            return Err(Refusal::InvalidAttachment { name, fault });
        }
    }
    Ok(())
}

fn fault(attachment: &Attachment) -> Option<&'static str> {
    let Attachment { name, media_type, bytes, .. } = attachment;
    let bad = |c: char| c.is_control() || matches!(c, '/' | '\\');
    if name.trim().is_empty() || name.chars().count() > FILE_NAME_CHARS_MAX || name.chars().any(bad) {
        return Some("a file name has 1 to 200 characters, no slash and no control characters");
    }
    let token = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
        !text.is_empty() && text.chars().all(plain)
    };
    let is_media_type = media_type.len() <= MEDIA_TYPE_CHARS_MAX
        && media_type.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    if !is_media_type {
        return Some("a media type is written like application/pdf");
    }
    (*bytes == 0 || *bytes > ATTACHMENT_BYTES_MAX).then_some("a file has 1 byte to 32 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment() -> Attachment {
        let (name, media_type) = ("整改报告.pdf".to_owned(), "application/pdf".to_owned());
        Attachment { name, media_type, bytes: ATTACHMENT_BYTES_MAX, sha256: Sha256([7; 32]) }
    }

    #[test]
    fn what_can_be_kept_is_taken_and_nothing_else() {
        assert_eq!(check(&vec![attachment(); ATTACHMENTS_MAX]), Ok(()));
        assert!(check(&vec![attachment(); ATTACHMENTS_MAX + 1]).is_err());
        let wrong = [
            Attachment { name: "a/b".to_owned(), ..attachment() },
            Attachment { name: " ".to_owned(), ..attachment() },
            Attachment { name: "a\nb".to_owned(), ..attachment() },
            Attachment { name: "长".repeat(FILE_NAME_CHARS_MAX + 1), ..attachment() },
            Attachment { media_type: "pdf".to_owned(), ..attachment() },
            Attachment { media_type: "text/html; charset=x\r\nx: y".to_owned(), ..attachment() },
            Attachment { bytes: 0, ..attachment() },
            Attachment { bytes: ATTACHMENT_BYTES_MAX + 1, ..attachment() },
        ];
        for attachment in wrong {
            let refused = check(std::slice::from_ref(&attachment));
            assert!(matches!(refused, Err(Refusal::InvalidAttachment { .. })), "{attachment:?}: {refused:?}");
        }
    }
}
