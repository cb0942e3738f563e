//! The plan in force as people see it.

use bishui_domain::period::Month;
use bishui_domain::plan::Plan;
use bishui_domain::plan::book::RevisionNumber;
use bishui_domain::refusal::Refusal;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Scope, revision_on};
use crate::error::OfficeError;
use crate::register::Register;

/// A revision of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// Its number.
    #[schema(value_type = u32)]
    pub revision: RevisionNumber,
    /// First month it holds for.
    #[schema(value_type = String)]
    pub effective_from: Month,
    /// The plan; a county sees its own entries.
    #[schema(value_type = Object)]
    pub plan: Plan,
}

/// The revision in force today, or the one adopted last when none is.
///
/// # Errors
/// No plan was adopted.
pub fn plan(register: &Register, scope: &Scope, today: Date) -> Result<PlanView, OfficeError> {
    let revision = revision_on(&register.plans, today).ok_or(Refusal::NoPlanInForce)?;
    let mut plan = Plan::clone(&revision.plan);
    match scope {
        Scope::City => {}
        Scope::County(_) => {
            // Notes and tasks may speak of any county.
            plan.plan.note = None;
            plan.plan.government_emails.clear();
            plan.task.clear();
            plan.county.retain(|county| scope.sees(&county.id));
            plan.section.retain(|section| scope.sees(&section.county));
        }
    }
    Ok(PlanView { revision: revision.number, effective_from: revision.effective_from, plan })
}
