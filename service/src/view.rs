//! Views: what people see of the register, for the HTTP interface and the command line.
//!
//! Every view takes the asker's [`Scope`]. A county sees its own entries only; what it may not see is not found, in the
//! same words as what does not exist.

pub mod escalation;
pub mod events;
pub mod explanation;
pub mod mails;
pub mod money;
pub mod notices;
pub mod plan;
pub mod rounds;
pub mod status;

use bishui_domain::delivery::Mail;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::notice::{Notice, NoticeKind};
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::book::PlanBook;
use bishui_domain::plan::revision::PlanRevision;
use bishui_domain::plan::{County, Section};
use jiff::civil::Date;

use crate::error::OfficeError;

/// What the asker may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    City,
    /// One county's entries.
    County(CountyId),
}

impl Scope {
    /// Whether entries of `county` are shown.
    pub fn sees(&self, county: &CountyId) -> bool {
        match self {
            Self::City => true,
            Self::County(own) => own == county,
        }
    }

    /// Whether a notice is shown: a county sees what was sent to it, not drafts, and not what is sent to the city
    /// government about it.
    pub fn sees_notice(&self, notice: &Notice) -> bool {
        match self {
            Self::City => true,
            Self::County(own) => {
                *own == notice.county && is_addressed_to_county(notice.kind) && notice.sent_on.is_some()
            }
        }
    }

    /// Whether a mail is shown.
    pub fn sees_mail(&self, mail: &Mail) -> bool {
        match self {
            Self::City => true,
            Self::County(own) => *own == mail.message.county && is_addressed_to_county(mail.message.kind),
        }
    }
}

fn is_addressed_to_county(kind: NoticeKind) -> bool {
    match kind {
        NoticeKind::WarningNotice
        | NoticeKind::WarningSupplement
        | NoticeKind::WarningWithdrawal
        | NoticeKind::InterviewNotice
        | NoticeKind::InterviewSupplement
        | NoticeKind::InterviewCancellation => true,
        NoticeKind::AccountabilityProposal => false,
    }
}

/// What is not there, or not for the asker. The text names no id, so that it is the same for both.
pub(crate) fn not_found(what: &'static str) -> OfficeError {
    OfficeError::NotFound { what: what.to_owned() }
}

/// The revision in force on `today`, or the one adopted last when none is.
pub(crate) fn revision_on(book: &PlanBook, today: Date) -> Option<&PlanRevision> {
    Month::of(today).and_then(|month| book.in_force(month)).or(book.latest())
}

/// The newest entry about a county in any revision.
pub(crate) fn find_county<'a>(book: &'a PlanBook, id: &CountyId) -> Option<&'a County> {
    book.revisions().iter().rev().find_map(|revision| revision.county(id))
}

/// A county's name; its id where no plan names it.
pub(crate) fn county_name(book: &PlanBook, id: &CountyId) -> String {
    find_county(book, id).map_or_else(|| id.to_string(), |county| county.name.clone())
}

/// A section's name; its id where no plan names it.
pub(crate) fn section_name(book: &PlanBook, id: &SectionId) -> String {
    book.find_section(id).map_or_else(|| id.to_string(), |section| section.name.clone())
}

/// All counties of any revision in order of id.
pub(crate) fn all_counties(book: &PlanBook) -> Vec<CountyId> {
    let mut ids: Vec<_> =
        book.revisions().iter().flat_map(|revision| &revision.plan.county).map(|county| county.id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// A section active in `period`, with the revision in force for it.
pub(crate) fn active_section<'a>(
    book: &'a PlanBook,
    section: &SectionId,
    period: Period,
) -> Option<(&'a PlanRevision, &'a Section)> {
    let revision = book.in_force(period.last_month())?;
    let section = revision.section(section)?;
    period.months().into_iter().any(|month| section.is_active(month)).then_some((revision, section))
}
