//! Identifiers: one type a kind, so that two kinds cannot be swapped.
//!
//! Text ids come from the plan file and are checked once, here. Uuid ids are drawn outside this crate or derived
//! (version 5) from the cause and the step, so that a repeated step yields the same id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest text id, in characters.
pub const ID_CHARS_MAX: usize = 64;

/// A text that cannot serve as an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a valid {kind} id: 1 to {ID_CHARS_MAX} characters without spaces, `/`, `,`, quotes or control characters"
)]
pub struct InvalidId {
    /// What the id was meant to name.
    pub kind: &'static str,
    /// The refused text, cut to the longest length.
    pub text: String,
}

fn check(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ',' | '"' | '\'' | '\\');
    if text.is_empty() || text.chars().count() > ID_CHARS_MAX || text.chars().any(bad) {
        return Err(InvalidId { kind, text: text.chars().take(ID_CHARS_MAX).collect() });
    }
    Ok(())
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check($kind, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                check($kind, &text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    )*};
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id of the step `step` that follows from `cause`: the same whenever it is derived again.
            pub fn derived(cause: Uuid, step: &str) -> Self {
                Self(Uuid::new_v5(&cause, step.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Ok(Self(Uuid::parse_str(text)?))
            }
        }
    )*};
}

text_ids! {
    /// A county or municipal development zone (县（市、区）、市属开发区) of the plan.
    CountyId = "county";
    /// An adopted plan.
    PlanId = "plan";
    /// An assessed section (考核断面).
    SectionId = "section";
}

uuid_ids! {
    /// One mail message, kept through all attempts.
    MailId;
    /// One official act: a warning notice, an interview notice or a proposal.
    NoticeId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_separator_is_refused() {
        for text in ["", "a b", "a/b", "a,b", "a\"b", "a\nb", &"x".repeat(65)] {
            assert!(text.parse::<SectionId>().is_err(), "{text:?} was accepted");
        }
        assert_eq!("高唐-北湖".parse::<SectionId>().expect("valid").as_str(), "高唐-北湖");
    }

    #[test]
    fn a_derived_id_is_the_same_every_time_and_differs_by_step() {
        let cause = Uuid::from_u128(7);
        assert_eq!(NoticeId::derived(cause, "warning"), NoticeId::derived(cause, "warning"));
        assert_ne!(NoticeId::derived(cause, "warning"), NoticeId::derived(cause, "interview"));
    }
}
