//! A restored log of an office: every decision in it is derived again, wherever it ends.

use std::path::Path;
use std::sync::Arc;

use bishui::drill::Stage;
use bishui::replay::replay;
use bishui::restored::take_up;
use bishui::scenario::Play;
use bishui_infra::backup::Until;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_infra::mail::SinkMailer;

use crate::world::{World, all, restored};

/// An office that has played a scenario with an interview, a proposal and their corrections.
async fn office() -> World {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/book/c-issued-loses-grounds/scenario.toml");
    let play = Play::read(&scenario).unwrap();
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let calendar = Arc::new(bishui_infra::calendar::built_in());
    let stage = Stage::new(&play, Arc::clone(&log), calendar, Arc::new(SinkMailer::default()));
    assert_eq!(stage.play(&play, |_| ()).await.unwrap(), []);
    World::on(log)
}

#[tokio::test]
async fn a_log_restored_to_any_batch_replays_without_a_difference() {
    let world = office().await;
    world.export("export").await.unwrap();
    let events = world.events().await;
    let ends = events.chunk_by(|before, after| before.batch == after.batch).map(|batch| batch.last().unwrap().position);
    let mut cut_short = 0;
    for end in ends {
        let (log, _) = restored(&world.path("export"), Until::Position(end)).await.unwrap();
        let log: Arc<dyn EventLog> = Arc::new(log);
        let calendar = Arc::new(bishui_infra::calendar::built_in());
        assert_eq!(take_up(Arc::clone(&log), calendar).await.unwrap().differences, [], "{end}");
        assert_eq!(all(log.as_ref()).await, events[..usize::try_from(end.0).unwrap()], "the replay wrote nothing");
        cut_short += usize::from(replay(log.as_ref(), |_| ()).await.unwrap().differing > 0);
    }
    assert!(cut_short > 0, "some ends lie between an act and what follows from it");
}

#[tokio::test]
async fn a_decision_altered_in_the_backup_and_all_its_sums_shows_in_the_replay() {
    let world = office().await;
    let mut events = world.events().await;
    let charged = events.iter_mut().find(|event| event.kind == "compensation.charged").expect("a charge");
    charged.payload = charged.payload.replace("50000000", "40000000");
    let position = charged.position;
    let forger = MemoryLog::new();
    forger.take_over(events).await.unwrap();
    let forged = World::on(Arc::new(forger));
    forged.export("export").await.unwrap();
    let (log, _) = restored(&forged.path("export"), Until::End).await.unwrap();
    let calendar = Arc::new(bishui_infra::calendar::built_in());
    let replayed = take_up(Arc::new(log), calendar).await.unwrap();
    assert_eq!(replayed.differences.first().map(|difference| difference.position), Some(position));
    assert_ne!(position, Position(0));
}
