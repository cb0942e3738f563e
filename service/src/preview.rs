//! Preview: what an act would change, by doing it on a copy that is thrown away (R8).

use std::collections::{BTreeMap, VecDeque};
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
use crate::view::Scope;
use crate::view::notices::{NoticeFilter, NoticeLine, notices};
use crate::view::status::{CountyStatus, OpenDeadline, YearAccount, status};

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

/// A county's account of a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountLine {
    /// The county.
    pub county: CountyId,
    /// Charged, paid, owed.
    #[serde(flatten)]
    pub account: YearAccount,
}

/// A county's open deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadlineLine {
    /// The county.
    pub county: CountyId,
    /// The notice, the duty and the day.
    #[serde(flatten)]
    pub deadline: OpenDeadline,
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
    /// Accounts of counties.
    pub accounts: Vec<Change<AccountLine>>,
    /// Notices that would be drafted.
    pub notices: Vec<NewNotice>,
    /// Notices that stand already and would change.
    pub standing_notices: Vec<Change<NoticeLine>>,
    /// Open deadlines of notices that stand already.
    pub deadlines: Vec<Change<DeadlineLine>>,
    /// The events that would be recorded.
    pub events: Vec<EventLine>,
}

/// What stands at a moment, as far as it can change.
struct Standing {
    state: EndState,
    counties: Vec<CountyStatus>,
    notices: Vec<NoticeLine>,
}

impl Standing {
    fn of(office: &Office) -> Self {
        let (register, today) = (office.register(), office.today());
        Self {
            state: EndState::of(&register, vec![]),
            counties: status(&register, &Scope::City, today),
            notices: notices(&register, &Scope::City, &NoticeFilter::default(), today),
        }
    }

    fn accounts(&self) -> Vec<AccountLine> {
        let line =
            |county: &CountyId, account: &YearAccount| AccountLine { county: county.clone(), account: account.clone() };
        let of = |county: &CountyStatus| {
            county.compensation.iter().map(|year| line(&county.county, year)).collect::<Vec<_>>()
        };
        self.counties.iter().flat_map(of).collect()
    }

    fn deadlines(&self) -> Vec<DeadlineLine> {
        let line = |county: &CountyId, deadline: &OpenDeadline| DeadlineLine {
            county: county.clone(),
            deadline: deadline.clone(),
        };
        let of =
            |county: &CountyStatus| county.deadlines.iter().map(|open| line(&county.county, open)).collect::<Vec<_>>();
        self.counties.iter().flat_map(of).collect()
    }
}

/// Does the act on a copy and says what differs.
///
/// # Errors
/// What the act itself would fail with.
pub async fn preview(office: &Office, act: &Act, request: &Request) -> Result<Preview, OfficeError> {
    const EVENTS_MAX: usize = 10_000;
    office.advance().await?;
    let register = office.register().clone();
    // Asked for after that: the copy is never behind what it starts from, whatever others record meanwhile.
    let head = office.log().head().await?;
    let copy = office.fork(register, Arc::new(OverlayLog::over(Arc::clone(office.log()), head)));
    copy.bring_level().await?;
    let before = Standing::of(&copy);
    let known = copy.register().notices.len();
    let request = Request { idempotency_key: None, ..request.clone() };
    let receipt = copy.perform(act, &request).await?;
    if !receipt.followed {
        // What follows from it is what was asked for: here its failure is one.
        copy.follow_through().await?;
    }
    let after = Standing::of(&copy);
    let events = copy.log().read_all(head, EVENTS_MAX).await?;
    let notices = new_notices(&copy, known)?;
    let standing = &after.notices[..known.min(after.notices.len())];
    let (old, new) = (&before.state, &after.state);
    let settlement = (old.settlement != new.settlement)
        .then(|| Change { before: old.settlement.clone(), after: new.settlement.clone() });
    Ok(Preview {
        import: receipt.import,
        verdicts: changes(&old.verdicts, &new.verdicts, |line| (line.period, line.section.clone())),
        warnings: changes(&old.warnings, &new.warnings, |line| (line.period, line.county.clone())),
        interviews: changes(&old.interviews, &new.interviews, |line| (line.county.clone(), line.period)),
        proposals: changes(&old.proposals, &new.proposals, |line| (line.county.clone(), line.year)),
        charges: changes(&old.charges, &new.charges, |line| (line.period, line.county.clone())),
        settlement,
        accounts: changes(&before.accounts(), &after.accounts(), |line| (line.county.clone(), line.account.year)),
        notices,
        standing_notices: changes(&before.notices, standing, |line| line.id),
        deadlines: changes(&before.deadlines(), &after.deadlines(), |line| {
            (line.deadline.notice, line.deadline.deadline.duty)
        }),
        events: events.iter().map(EventLine::from).collect(),
    })
}

/// What differs, by key: first what goes, then what is new or changed. Lines of the same key are compared in order.
fn changes<T: Clone + PartialEq, K: Ord>(before: &[T], after: &[T], key: impl Fn(&T) -> K) -> Vec<Change<T>> {
    let mut old: BTreeMap<K, VecDeque<&T>> = BTreeMap::new();
    for line in before {
        old.entry(key(line)).or_default().push_back(line);
    }
    let mut changed = Vec::new();
    for line in after {
        let stood = old.get_mut(&key(line)).and_then(VecDeque::pop_front);
        if stood != Some(line) {
            changed.push(Change { before: stood.cloned(), after: Some(line.clone()) });
        }
    }
    let gone = old.into_values().flatten().map(|line| Change { before: Some(line.clone()), after: None });
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
