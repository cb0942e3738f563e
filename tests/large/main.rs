//! A county of very many unmet sections: every list that names them outgrows one event, and each is recorded in parts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

mod race;
mod steps;
mod town;

use std::collections::BTreeSet;

use bishui::act::Act;
use bishui::query::{Query, Until, answer};
use bishui::replay::replay;
use bishui::view::Scope;
use bishui_domain::compensation::CompensationEvent;
use bishui_domain::escalation::interview::InterviewStatus;
use bishui_domain::event::Event;
use bishui_domain::money::Fen;
use bishui_domain::notice::{NoticeKind, NoticeState};
use bishui_domain::parts::InParts;
use bishui_infra::codec;
use bishui_infra::event_log::{NewEvent, PAYLOAD_BYTES_MAX, Position, Recorded};
use bishui_tests::copied_log::CopiedLog;

use town::{SECTIONS, Town, county, name};

/// The rate of a county with four sections or more.
const RATE: Fen = Fen(40_000_000);

#[tokio::test]
async fn thousands_of_unmet_sections_of_one_county_go_the_whole_way() {
    let town = Town::open().await;
    town.publish("2020-01").await;
    town.follow(&[NoticeKind::WarningNotice, NoticeKind::InterviewNotice]).await;
    town.hold().await;
    town.publish("2020-02").await;
    town.follow(&[NoticeKind::WarningNotice, NoticeKind::InterviewNotice]).await;
    town.assert_charged("2020-02", SECTIONS);

    // One section met its target after all: what was sent is corrected, and the rest of it said again.
    town.revise("2020-02", 0).await;
    town.follow(&[NoticeKind::WarningSupplement, NoticeKind::InterviewSupplement]).await;
    town.assert_charged("2020-02", SECTIONS - 1);
    let corrected = town.letter(NoticeKind::WarningSupplement);
    assert!(!corrected.contains(&name(0)) && corrected.contains(&name(1)));

    town.hold().await;
    let basis = "全市考核成绩".to_owned();
    town.perform(Act::DetermineImpact { county: county(), year: 2020, serious: true, basis }).await;
    town.follow(&[NoticeKind::AccountabilityProposal]).await;

    town.assert_all_stand().await;
}

impl Town {
    /// Approves the notices that wait, which are of these kinds, and sees that each is sent and names every section.
    async fn follow(&self, kinds: &[NoticeKind]) {
        let waiting: Vec<_> = {
            let register = self.office.register();
            let drafted = register.notice.iter().filter(|(_, notice)| notice.state == NoticeState::Drafted);
            drafted.map(|(id, notice)| (*id, notice.kind)).collect()
        };
        let mut found: Vec<_> = waiting.iter().map(|(_, kind)| *kind).collect();
        found.sort();
        assert_eq!(found, kinds);
        for (notice, _) in &waiting {
            self.perform(Act::ApproveNotice { notice: *notice }).await;
        }
        self.deliver().await;
        for (notice, kind) in waiting {
            assert_eq!(self.office.register().notice[&notice].state, NoticeState::Sent, "{kind}");
            let letter = self.letter(kind);
            let named = (1..SECTIONS).filter(|section| letter.contains(&name(*section)));
            assert_eq!(named.count(), SECTIONS - 1, "{kind} leaves a section out");
        }
    }

    /// The sections named by what was mailed last for a notice of this kind: each stands first in its line.
    fn letter(&self, kind: NoticeKind) -> BTreeSet<String> {
        let sent = self.mailer.kept();
        let mut of_kind =
            sent.iter().rev().filter(|kept| kept.mail.subject.contains(&format!("水质考核的{}（", kind.chinese())));
        of_kind
            .next()
            .unwrap()
            .mail
            .text
            .lines()
            .filter_map(|line| line.split(['　', '（', '：']).nth(2))
            .map(str::to_owned)
            .collect()
    }

    fn assert_charged(&self, month: &str, sections: usize) {
        let register = self.office.register();
        let charge = &register.compensation[&county()].charges[&month.parse().unwrap()];
        let fen = RATE.checked_mul(u32::try_from(sections).unwrap()).unwrap();
        assert_eq!((charge.fen, charge.sections.len()), (fen, sections));
        let said = register.ledger.iter().rev().find_map(|line| match &line.event {
            CompensationEvent::Charged { charge, .. } => Some(charge.clone()),
            CompensationEvent::ChargeReversed { .. }
            | CompensationEvent::SectionsListed { .. }
            | CompensationEvent::PaymentReceived { .. } => None,
        });
        assert_eq!(said.as_ref(), Some(charge), "the ledger says what is charged for");
    }

    /// What stands is what was decided: for the register, a new one, and the replay.
    async fn assert_all_stand(&self) {
        let county = self.office.register().counties[&county()].clone();
        let interviews: Vec<_> =
            county.interviews.lines().iter().map(|line| (line.status, line.grounds.len())).collect();
        assert_eq!(interviews, [(InterviewStatus::Held, SECTIONS), (InterviewStatus::Held, SECTIONS - 1)]);
        let warned: Vec<_> = county.warnings.by_round.values().map(Vec::len).collect();
        assert_eq!(warned, [SECTIONS, SECTIONS - 1]);

        self.office.check_no_consumer_has_stopped().await.unwrap();
        assert!(self.office.rebuild("register").await.unwrap().equal);
        let replayed = replay(&*self.log, |_| ()).await.unwrap();
        assert_eq!(replayed.differing, 0, "{:?}", replayed.differences.first().map(|first| &first.kind));

        let head = self.log.head().await.unwrap();
        let events = self.log.read_all(Position(0), usize::try_from(head.0).unwrap()).await.unwrap();
        assert!(events.iter().all(|event| event.payload.len() <= PAYLOAD_BYTES_MAX / 2), "half of the bound is spare");
        self.assert_no_half_list(&events).await;
        let undivided = undivided(events);
        let longest = undivided.iter().map(|event| event.payload.len()).max();
        assert!(longest > Some(PAYLOAD_BYTES_MAX), "no event could have held this");
        let replayed = replay(&CopiedLog(undivided), |_| ()).await.unwrap();
        assert_eq!(replayed.differing, 0, "an older program left whole what fitted one event");
    }
}

impl Town {
    /// What stood in the midst of a batch is what stood before it.
    async fn assert_no_half_list(&self, events: &[Recorded]) {
        let part = events.iter().find(|event| event.kind == "county.sections_listed").unwrap();
        let before = Position(part.position.0 - u64::from(part.place) - 1);
        let stood = async |position| {
            let query = Query::Until { until: Until::Position(position) };
            answer(&self.office, &Scope::City, &query).await.unwrap()
        };
        assert_eq!(stood(Position(part.position.0 - 1)).await, stood(before).await);
        let whole = events.iter().rfind(|event| event.batch == part.batch).unwrap().position;
        assert_ne!(stood(whole).await, stood(before).await);
    }
}

/// The same log, had every event been written whole.
fn undivided(events: Vec<Recorded>) -> Vec<Recorded> {
    let mut whole: Vec<(Recorded, Event)> = Vec::new();
    for recorded in events {
        let event = codec::decode(&recorded).unwrap();
        let left = match whole.last_mut() {
            Some((_, before)) => before.join(event).err(),
            None => Some(event),
        };
        whole.extend(left.map(|event| (recorded, event)));
    }
    let rewritten = |(recorded, event)| {
        let NewEvent { kind, schema, payload } = codec::encode(&event);
        Recorded { kind, schema, payload, ..recorded }
    };
    whole.into_iter().map(rewritten).collect()
}
