//! Drafting process: a notice for what escalation raised, its supplement or withdrawal after a correction, and its
//! approval where the plan asks for no officer (R8, R9).
//!
//! What was never sent is withdrawn in silence and drafted anew; what was sent is corrected by a notice of its own.

use bishui_domain::county::{County, CountyEvent};
use bishui_domain::escalation::accountability_proposal::ProposalEvent;
use bishui_domain::escalation::interview::{Ground, InterviewEvent};
use bishui_domain::escalation::warning_notice::WarningEvent;
use bishui_domain::event::Event;
use bishui_domain::ids::{CountyId, NoticeId};
use bishui_domain::notice::{
    self, NoticeCommand, NoticeEvent, NoticeKind, NoticeState, Series, Subject, decide, report_after_interview,
};
use bishui_domain::period::Period;
use bishui_domain::plan::rules::Approval;
use bishui_infra::codec;
use bishui_infra::event_log::{Recorded, StreamVersion};

use crate::error::OfficeError;
use crate::office::{Office, drafted_notice};
use crate::records::{Draft, stream};

pub(super) async fn step(office: &Office, causes: &[&Recorded], draft: &mut Draft) -> Result<(), OfficeError> {
    for cause in causes {
        match office.records.whole(cause).await? {
            Event::County(event) => {
                let county = super::county_of(cause)?;
                Drafting { office, cause, county, draft }.follow(event).await?;
            }
            Event::Notice(NoticeEvent::NoticeDrafted { .. }) => approve_if_automatic(office, cause, draft).await?,
            Event::Notice(_)
            | Event::Plan(_)
            | Event::Readings(_)
            | Event::Section(_)
            | Event::Round(_)
            | Event::Compensation(_)
            | Event::Settlement(_)
            | Event::Numbering(_)
            | Event::Consumer(_)
            | Event::Mail(_) => {}
        }
    }
    Ok(())
}

async fn approve_if_automatic(office: &Office, cause: &Recorded, draft: &mut Draft) -> Result<(), OfficeError> {
    let (book, _) = office.records.plan_book().await?;
    let planned = office.current_revision(&book)?.plan.rules.approval;
    let Ok(id) = cause.stream.key().parse::<NoticeId>() else { return Ok(()) };
    let (notice, _) = office.existing_notice(id).await?;
    match office.settings.approval.unwrap_or(planned) {
        Approval::Automatic if notice.state == NoticeState::Drafted => office.approve(id, draft).await,
        Approval::Automatic | Approval::Required => Ok(()),
    }
}

struct Drafting<'a> {
    office: &'a Office,
    cause: &'a Recorded,
    county: CountyId,
    draft: &'a mut Draft,
}

impl Drafting<'_> {
    async fn follow(self, event: CountyEvent) -> Result<(), OfficeError> {
        match event {
            CountyEvent::Warning(event) => self.warning(event).await,
            CountyEvent::Interview(event) => self.interview(event).await,
            CountyEvent::Proposal(ProposalEvent::ProposalIssued { year })
            | CountyEvent::ImpactDetermined { year, serious: true, .. } => self.proposal(year).await,
            CountyEvent::InterviewHeld { raised_by, held_on, .. } => self.report_duty(raised_by, held_on).await,
            CountyEvent::Proposal(_)
            | CountyEvent::ImpactDetermined { .. }
            | CountyEvent::RoundJudged { .. }
            | CountyEvent::RoundRejudged { .. }
            | CountyEvent::InterviewScheduled { .. }
            | CountyEvent::MinutesRecorded { .. } => Ok(()),
        }
    }

    async fn warning(self, event: WarningEvent) -> Result<(), OfficeError> {
        let (period, sections) = match event {
            WarningEvent::WarningNoticeRaised { period, sections, .. } => {
                let subject = Subject::Round { period, sections };
                return self.add(NoticeKind::WarningNotice, subject, None).await;
            }
            WarningEvent::WarningNoticeSupplemented { period, sections, .. } => (period, sections),
            WarningEvent::WarningNoticeWithdrawn { period } => (period, vec![]),
            // Read with the event it belongs to.
            WarningEvent::SectionsListed { .. } => return Ok(()),
        };
        let withdrawn = sections.is_empty();
        let subject = Subject::Round { period, sections };
        let kinds = [NoticeKind::WarningNotice, NoticeKind::WarningSupplement, NoticeKind::WarningWithdrawal];
        self.correct(Series::Warning, period, withdrawn, subject, kinds).await
    }

    async fn interview(self, event: InterviewEvent) -> Result<(), OfficeError> {
        let (raised_by, grounds, withdrawn) = match event {
            InterviewEvent::InterviewRequired { raised_by, grounds, .. } => {
                let subject = Subject::Interview { raised_by, grounds };
                return self.add(NoticeKind::InterviewNotice, subject, None).await;
            }
            InterviewEvent::InterviewGroundsChanged { raised_by, grounds, .. } => (raised_by, grounds, false),
            InterviewEvent::InterviewCancelled { raised_by } => (raised_by, vec![], true),
            // A meeting was held: nothing is announced any more. Further grounds are read with the event before.
            InterviewEvent::InterviewSuperseded { .. }
            | InterviewEvent::MeetingReassigned { .. }
            | InterviewEvent::GroundsListed { .. } => return Ok(()),
        };
        let (county, _) = self.office.records.county(&self.county).await?;
        if county.interviews.meetings.iter().any(|meeting| meeting.answers_for == Some(raised_by)) {
            return Ok(());
        }
        let subject = Subject::Interview { raised_by, grounds };
        let kinds = [NoticeKind::InterviewNotice, NoticeKind::InterviewSupplement, NoticeKind::InterviewCancellation];
        self.correct(Series::Interview, raised_by, withdrawn, subject, kinds).await
    }

    async fn proposal(self, year: i16) -> Result<(), OfficeError> {
        let (county, _) = self.office.records.county(&self.county).await?;
        let Some(proposal) = county.proposals.by_year.get(&year) else { return Ok(()) };
        let numbers = proposal.decided_on.iter().map(|number| *number as usize);
        let meetings: Vec<_> = numbers.filter_map(|number| county.interviews.meetings.get(number)).collect();
        let subject = Subject::Proposal {
            year,
            held_on: meetings.iter().map(|meeting| meeting.held_on).collect(),
            grounds: meetings.iter().flat_map(|meeting| grounds_of(&county, meeting.answers_for)).collect(),
            basis: proposal.basis.clone(),
        };
        self.add(NoticeKind::AccountabilityProposal, subject, None).await
    }

    /// The report after an interview is due on the notice that called for it.
    async fn report_duty(self, raised_by: Period, held_on: jiff::civil::Date) -> Result<(), OfficeError> {
        let (book, _) = self.office.records.plan_book().await?;
        let rules = &self.office.current_revision(&book)?.plan.rules;
        for id in self.thread(Series::Interview, raised_by).await? {
            let (notice, version) = self.office.existing_notice(id).await?;
            let open = !matches!(notice.state, NoticeState::Drafted | NoticeState::Withdrawn | NoticeState::Closed);
            if notice.kind == NoticeKind::InterviewNotice && open {
                let duty = report_after_interview(held_on, rules, &self.office.calendar);
                self.draft.write(stream::notice(id), version, decide(&notice, NoticeCommand::SetDuty { duty })?);
            }
        }
        Ok(())
    }

    /// Drafts the notice of the cause, once.
    async fn add(self, kind: NoticeKind, subject: Subject, refers_to: Option<NoticeId>) -> Result<(), OfficeError> {
        let stream = stream::notice(drafted_notice(self.cause.id));
        let drafted = self.office.records.version(&stream).await?;
        if drafted == StreamVersion(0) {
            self.draft.write(stream, drafted, notice::draft(kind, &self.county, subject, refers_to));
        }
        Ok(())
    }

    /// Corrects what stands: `kinds` are the notice, its supplement and its withdrawal.
    async fn correct(
        self,
        series: Series,
        period: Period,
        withdrawn: bool,
        subject: Subject,
        [notice, supplement, withdrawal]: [NoticeKind; 3],
    ) -> Result<(), OfficeError> {
        let mut sent = None;
        for id in self.thread(series, period).await? {
            let (standing, _) = self.office.existing_notice(id).await?;
            let over = matches!(standing.state, NoticeState::Withdrawn | NoticeState::Closed);
            let left = self.office.has_left(&standing, id).await?;
            if left && !matches!(standing.state, NoticeState::Withdrawn) {
                sent = Some(id);
            }
            // Whatever was not sent is replaced; what was sent ceases only when it is withdrawn as a whole.
            if !over && (!left || withdrawn) {
                self.office.withdraw(id, "更正", self.draft).await?;
            }
        }
        match (withdrawn, sent) {
            (true, None) => Ok(()),
            (true, Some(id)) => self.add(withdrawal, subject, Some(id)).await,
            (false, Some(id)) => self.add(supplement, subject, Some(id)).await,
            (false, None) => self.add(notice, subject, None).await,
        }
    }

    /// The notices about `period` since it was last raised, before the cause.
    async fn thread(&self, series: Series, period: Period) -> Result<Vec<NoticeId>, OfficeError> {
        let events = self.office.records.events(&self.cause.stream, StreamVersion(0)).await?;
        let mut thread = Vec::new();
        for recorded in events.iter().filter(|recorded| recorded.version < self.cause.version) {
            let Event::County(event) = codec::decode(recorded)? else { continue };
            match link(&event, series, period) {
                Some(Link::Raised) => thread = vec![drafted_notice(recorded.id)],
                Some(Link::Changed) => thread.push(drafted_notice(recorded.id)),
                None => {}
            }
        }
        let mut existing = Vec::new();
        for id in thread {
            if self.office.records.version(&stream::notice(id)).await? > StreamVersion(0) {
                existing.push(id);
            }
        }
        Ok(existing)
    }
}

/// How an event belongs to the notices of a round.
enum Link {
    Raised,
    Changed,
}

fn link(event: &CountyEvent, series: Series, period: Period) -> Option<Link> {
    match (event, series) {
        (CountyEvent::Warning(event), Series::Warning) => match event {
            WarningEvent::WarningNoticeRaised { period: of, .. } => (*of == period).then_some(Link::Raised),
            WarningEvent::WarningNoticeSupplemented { period: of, .. }
            | WarningEvent::WarningNoticeWithdrawn { period: of } => (*of == period).then_some(Link::Changed),
            WarningEvent::SectionsListed { .. } => None,
        },
        (CountyEvent::Interview(event), Series::Interview) => match event {
            InterviewEvent::InterviewRequired { raised_by, .. } => (*raised_by == period).then_some(Link::Raised),
            InterviewEvent::InterviewGroundsChanged { raised_by, .. }
            | InterviewEvent::InterviewCancelled { raised_by } => (*raised_by == period).then_some(Link::Changed),
            InterviewEvent::InterviewSuperseded { .. }
            | InterviewEvent::MeetingReassigned { .. }
            | InterviewEvent::GroundsListed { .. } => None,
        },
        (_, Series::Warning | Series::Interview | Series::Proposal) => None,
    }
}

fn grounds_of(county: &County, raised_by: Option<Period>) -> Vec<Ground> {
    raised_by
        .and_then(|period| county.interviews.raised.get(&period))
        .map(|raised| raised.grounds.clone())
        .unwrap_or_default()
}
