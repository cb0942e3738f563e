//! Rights: which role may do which act and read what. Whatever is not listed is denied.

use crate::accounts::Role;
use crate::act::Act;
use crate::query::Query;

/// The roles that may do an act.
pub fn roles_for(act: &Act) -> &'static [Role] {
    match act {
        Act::AdoptPlan { .. }
        | Act::AmendPlan { .. }
        | Act::CorrectTarget { .. }
        | Act::RetryConsumer { .. }
        | Act::SkipEvent { .. } => &[Role::Administrator],
        Act::Import { .. }
        | Act::Declare { .. }
        | Act::ScheduleInterview { .. }
        | Act::RecordMinutes { .. }
        | Act::DeliverNotice { .. }
        | Act::RetryMail { .. }
        | Act::ResolveMail { .. } => &[Role::Clerk],
        Act::Revise { .. }
        | Act::WithdrawDeclaration { .. }
        | Act::Publish { .. }
        | Act::HoldInterview { .. }
        | Act::DetermineImpact { .. }
        | Act::ApproveNotice { .. }
        | Act::WithdrawNotice { .. }
        | Act::CloseNotice { .. } => &[Role::Approver],
        Act::Pay { .. } | Act::Settle { .. } => &[Role::Finance],
        Act::AcknowledgeNotice { .. } | Act::AnswerNotice { .. } => &[Role::County],
    }
}

/// Whether a role may do an act. A county may do it on its own notices only, which is checked apart.
pub fn may(role: Role, act: &Act) -> bool {
    roles_for(act).contains(&role)
}

/// Whether a role may put files beside the log: whoever answers notices.
pub fn may_attach(role: Role) -> bool {
    match role {
        Role::County => true,
        Role::Clerk | Role::Approver | Role::Finance | Role::Auditor | Role::Administrator => false,
    }
}

/// Whether a role may read recorded events as they are.
pub fn may_read_events(role: Role) -> bool {
    match role {
        Role::Auditor => true,
        Role::Clerk | Role::Approver | Role::Finance | Role::County | Role::Administrator => false,
    }
}

/// Whether a role may ask a question; a county gets the answer for its own entries only, and none about the whole city.
pub fn may_ask(role: Role, query: &Query) -> bool {
    match query {
        Query::Status { .. }
        | Query::Explain { .. }
        | Query::Notices { .. }
        | Query::Notice { .. }
        | Query::Mails
        | Query::Plan
        | Query::Ledger { .. } => true,
        Query::Evaluate { .. } | Query::WhatIf { .. } => role != Role::County,
        Query::Events { .. } | Query::Replay | Query::Until { .. } => may_read_events(role),
        Query::Incidents | Query::Projections => may_watch(role),
    }
}

/// Whether a role may see how background work goes on; what fails can name anyone.
pub fn may_watch(role: Role) -> bool {
    match role {
        Role::Auditor | Role::Administrator => true,
        Role::Clerk | Role::Approver | Role::Finance | Role::County => false,
    }
}

/// Whether a role may have a projection built anew.
pub fn may_rebuild(role: Role) -> bool {
    match role {
        Role::Administrator => true,
        Role::Clerk | Role::Approver | Role::Finance | Role::County | Role::Auditor => false,
    }
}
