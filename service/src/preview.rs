//! Preview: what an act would change, by doing it on a copy that is thrown away (R8).

use std::sync::Arc;

use bishui_domain::ids::CountyId;
use bishui_domain::notice::{DutyDeadline, NoticeKind, duties_on_sending};
use bishui_domain::period::Period;
use bishui_infra::event_log::overlay::OverlayLog;
use serde::Serialize;

use crate::act::Act;
use crate::end_state::{ChargeLine, EndState, InterviewEntry, ProposalLine, SettlementLine, VerdictLine, WarningLine};
use crate::error::OfficeError;
use crate::office::{EventLine, ImportReport, Office, Request};

/// One thing before and after; none before when it is new, none after when it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<T> {
    /// As it stands.
    pub before: Option<T>,
    /// As it would stand.
    pub after: Option<T>,
}

/// A notice that would be drafted, with the deadlines it would set if it were sent today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewNotice {
    /// What it is.
    pub kind: NoticeKind,
    /// The county.
    pub county: CountyId,
    /// The round.
    pub period: Option<Period>,
    /// What would be due, and how that is counted.
    pub duties: Vec<DutyDeadline>,
}

/// Everything an act would change.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// What would become of the rows of a file.
    pub import: Option<ImportReport>,
    /// Verdicts.
    pub verdicts: Vec<Change<VerdictLine>>,
    /// Warning notices.
    pub warnings: Vec<Change<WarningLine>>,
    /// Interviews.
    pub interviews: Vec<Change<InterviewEntry>>,
    /// Proposals.
    pub proposals: Vec<Change<ProposalLine>>,
    /// Charges.
    pub charges: Vec<Change<ChargeLine>>,
    /// The settlement.
    pub settlement: Option<Change<SettlementLine>>,
    /// Notices that would be drafted.
    pub notices: Vec<NewNotice>,
    /// The events that would be recorded.
    pub events: Vec<EventLine>,
}

/// Does the act on a copy and says what differs.
///
/// # Errors
/// What the act itself would fail with.
pub async fn preview(office: &Office, act: &Act, request: &Request) -> Result<Preview, OfficeError> {
    const EVENTS_MAX: usize = 10_000;
    office.follow_through().await?;
    let head = office.log().head().await?;
    let copy = office.fork(Arc::new(OverlayLog::over(Arc::clone(office.log()), head)));
    let before = EndState::of(&copy.register(), vec![]);
    let known = copy.register().notices.len();
    let request = Request { idempotency_key: None, ..request.clone() };
    let receipt = copy.perform(act, &request).await?;
    let after = EndState::of(&copy.register(), vec![]);
    let events = copy.log().read_all(head, EVENTS_MAX).await?;
    let settlement = (before.settlement != after.settlement)
        .then(|| Change { before: before.settlement.clone(), after: after.settlement.clone() });
    Ok(Preview {
        import: receipt.import,
        verdicts: changes(&before.verdicts, &after.verdicts, |line| (line.period, line.section.clone())),
        warnings: changes(&before.warnings, &after.warnings, |line| (line.period, line.county.clone())),
        interviews: changes(&before.interviews, &after.interviews, |line| {
            (line.county.clone(), line.period, line.held_on)
        }),
        proposals: changes(&before.proposals, &after.proposals, |line| (line.county.clone(), line.year)),
        charges: changes(&before.charges, &after.charges, |line| (line.period, line.county.clone())),
        settlement,
        notices: new_notices(&copy, known)?,
        events: events.iter().map(EventLine::from).collect(),
    })
}

fn changes<T: Clone + PartialEq, K: PartialEq>(before: &[T], after: &[T], key: impl Fn(&T) -> K) -> Vec<Change<T>> {
    let gone = before.iter().filter(|old| !after.iter().any(|new| key(new) == key(old)));
    let gone = gone.map(|old| Change { before: Some(old.clone()), after: None });
    let changed = after.iter().filter_map(|new| {
        let old = before.iter().find(|old| key(old) == key(new));
        (old != Some(new)).then(|| Change { before: old.cloned(), after: Some(new.clone()) })
    });
    gone.chain(changed).collect()
}

fn new_notices(office: &Office, known: usize) -> Result<Vec<NewNotice>, OfficeError> {
    let register = office.register();
    let rules = &office.current_revision(&register.plans)?.plan.rules;
    let fresh = register.notices.iter().skip(known).filter_map(|(id, _)| register.notice.get(id));
    let notice = |notice: &bishui_domain::notice::Notice| NewNotice {
        kind: notice.kind,
        county: notice.county.clone(),
        period: notice.subject.period(),
        duties: duties_on_sending(notice.kind, office.today(), rules, &office.calendar),
    };
    Ok(fresh.map(notice).collect())
}
