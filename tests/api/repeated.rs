//! One request at two nodes: it is recorded once, and both tell so.

use std::sync::Arc;
use std::time::Duration;

use bishui::act::Act;
use bishui::office::{Receipt, Request};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{Batch, EventLog, Expected, NewEvent, StreamId, StreamWrite};
use uuid::Uuid;

use crate::leases::{keep, takes_over};
use crate::projections::{office_on, planned};
use crate::town::readings;

/// A batch that the node with the processes has to follow, of a kind that nothing follows from.
fn to_follow() -> Batch {
    let event = NewEvent { kind: "consumer.x".into(), schema: 1, payload: "{}".into() };
    let write = StreamWrite { stream: StreamId::new("consumer", "x"), expected: Expected::Any, events: vec![event] };
    Batch {
        id: Uuid::from_u128(77),
        recorded_at: "2020-02-06T02:00:00Z".parse().unwrap(),
        actor: "x".into(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: vec![write],
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_node_records_while_a_node_waits_is_told_with_its_receipt() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let worker = Arc::new(planned(Arc::clone(&log)).await);
    let other = Arc::new(office_on(Arc::clone(&log)));
    let living = keep(&worker);
    takes_over(&worker).await;
    let import = Act::Import { file: "f".into(), csv: readings("2020-01", "1.5").into_bytes(), mapping: None };
    worker.perform(&import, &Request::by("test")).await.unwrap();
    log.append(to_follow()).await.unwrap();
    let request = Request { idempotency_key: Some("k".into()), ..Request::by("test") };
    let publish = Act::Publish { period: "2020-01".parse().unwrap(), declare_rest: None };
    // It waits until the worker has followed what was appended, which the worker does with its own act.
    let waiting = tokio::spawn({
        let (other, publish, request) = (Arc::clone(&other), publish.clone(), request.clone());
        async move { other.perform(&publish, &request).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let first = worker.perform(&publish, &request).await.unwrap();
    let second = waiting.await.unwrap().unwrap();
    living.abort();
    let events = |receipt: &Receipt| serde_json::to_value(&receipt.events).unwrap();
    assert_eq!((first.duplicate, second.duplicate), (false, true));
    assert_eq!(events(&first), events(&second));
    assert!(!first.events.is_empty());
}
