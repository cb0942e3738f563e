//! Replay on logs in which a recorded decision was changed or taken out: the first difference is named.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bishui::drill::Stage;
use bishui::replay::{Replayed, replay};
use bishui::scenario::Play;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, Position, Recorded};
use bishui_infra::mail::SinkMailer;
use bishui_tests::copied_log::CopiedLog;
use rstest::rstest;

use crate::office::{Office, PLAN, month};

/// Two months in which a county misses its target, an interview held, money paid, a year settled.
async fn history() -> Vec<Recorded> {
    let office = Office::bare();
    office.file("plan.toml", PLAN);
    let mut scenario = "plan = \"plan.toml\"\n".to_owned();
    for (month_of, day) in [("2020-01", "2020-02-03"), ("2020-02", "2020-03-03"), ("2020-03", "2020-04-03")] {
        office.file(&format!("{month_of}.csv"), month(month_of));
        let acts = format_args!(
            "[[act]]\nat = \"{day}T09:00:00+08:00\"\ndo = \"import\"\nfile = \"{month_of}.csv\"\n\
             [[act]]\nat = \"{day}T10:00:00+08:00\"\ndo = \"publish\"\ncadence = \"month\"\nperiod = \"{month_of}\"\n"
        );
        write!(scenario, "{acts}").expect("a string takes everything");
    }
    scenario.push_str(
        "[[act]]\nat = \"2020-04-10T09:00:00+08:00\"\ndo = \"hold_interview\"\ncounty = \"g\"\n\
         [[act]]\nat = \"2020-05-10T09:00:00+08:00\"\ndo = \"pay\"\ncounty = \"g\"\nfen = 50_000_000\n\
         [[act]]\nat = \"2021-01-10T09:00:00+08:00\"\ndo = \"settle\"\nyear = 2020\nprovincial_payable_fen = 7\n",
    );
    played(&office.file("scenario.toml", scenario)).await
}

/// The log of a scenario that no rule refuses anything of.
async fn played(scenario: &Path) -> Vec<Recorded> {
    let play = Play::read(scenario).expect("a sound scenario");
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let calendar = Arc::new(bishui_infra::calendar::built_in());
    let stage = Stage::new(&play, Arc::clone(&log), calendar, Arc::new(SinkMailer::default()));
    assert_eq!(stage.play(&play, |_| ()).await.expect("played"), []);
    log.read_all(Position(0), 100_000).await.expect("read")
}

async fn replayed(events: Vec<Recorded>) -> Replayed {
    replay(&CopiedLog(events), |_| ()).await.expect("the log can be read")
}

#[tokio::test]
async fn an_unaltered_log_has_no_difference() {
    let replayed = replayed(history().await).await;
    assert_eq!(replayed.differences, []);
    assert!(replayed.decisions > 15, "{replayed:?}");
}

#[tokio::test]
async fn the_demonstration_year_with_its_corrections_has_no_difference() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/demo/scenario.toml");
    assert_eq!(replayed(played(&scenario).await).await.differences, []);
}

#[rstest]
#[case::a_verdict("section.section_assessed", "\"verdict\":\"unmet\"", "\"verdict\":\"met\"")]
#[case::a_count_of_the_round("round.round_published", "\"unmet\":1", "\"unmet\":0")]
#[case::the_verdict_a_county_was_told("county.round_judged", "\"class\":\"IV\"", "\"class\":\"V\"")]
#[case::the_sections_of_a_warning("county.warning_notice_raised", "\"a\"", "\"b\"")]
#[case::the_ground_of_an_interview("county.interview_required", "2020-01", "2019-12")]
#[case::a_charge("compensation.charged", "50000000", "40000000")]
#[case::a_notice("notice.notice_drafted", "\"a\"", "\"b\"")]
#[case::a_number("numbering.number_assigned", "\"number\":1", "\"number\":2")]
#[case::a_settlement("settlement.settlement_made", "\"provincial\":7", "\"provincial\":8")]
#[tokio::test]
async fn an_altered_decision_is_the_first_difference(#[case] kind: &str, #[case] from: &str, #[case] to: &str) {
    let mut events = history().await;
    let altered = events.iter_mut().find(|event| event.kind == kind && event.payload.contains(from));
    let altered = altered.unwrap_or_else(|| panic!("no {kind} with {from}"));
    altered.payload = altered.payload.replace(from, to);
    let (position, payload) = (altered.position, altered.payload.clone());
    let replayed = replayed(events).await;
    let first = replayed.differences.first().unwrap_or_else(|| panic!("not noticed: {payload}"));
    assert_eq!((first.position, first.kind.as_str()), (position, kind), "{first:?}");
    assert!(first.recorded.is_some() && first.expected != first.recorded, "{first:?}");
}

#[rstest]
#[case::a_warning("county.warning_notice_raised")]
#[case::an_interview("county.interview_required")]
#[case::a_charge("compensation.charged")]
#[case::a_notice("notice.notice_drafted")]
#[case::a_number("numbering.number_assigned")]
#[case::a_settlement("settlement.settlement_made")]
#[tokio::test]
async fn a_decision_that_was_taken_out_is_noticed(#[case] kind: &str) {
    let mut events = history().await;
    let at = events.iter().position(|event| event.kind == kind).unwrap_or_else(|| panic!("no {kind}"));
    events.remove(at);
    let replayed = replayed(events).await;
    assert!(replayed.differing > 0, "{kind}: {replayed:?}");
}
