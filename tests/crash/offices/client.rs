//! People at work: acts with idempotency keys at random nodes, repeated elsewhere while nobody has answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use bishui::http::ServiceFile;
use bishui_domain::ids::MailId;
use bishui_tests::dice::Dice;
use serde_json::{Value, json};
use ureq::http::{Request, StatusCode};

use crate::fleet::Addresses;

/// The name under which people act.
pub(crate) const ACTOR: &str = "officer";
/// Counties of the plan; each has two addresses.
pub(crate) const COUNTIES: u64 = 8;
/// Longest wait for one answer. A node waits ten seconds for another that has to follow its act through; one that is
/// stopped or cut off does not answer.
const ANSWERED: Duration = Duration::from_secs(12);
/// Longest time until an act is answered, wherever it is asked for.
const ACKNOWLEDGED: Duration = Duration::from_mins(2);
/// Pause before an act that was not answered is asked for again.
const AGAIN: Duration = Duration::from_millis(50);
/// For how long a node that did not answer at all is left alone; there are always others.
const LEFT_ALONE: Duration = Duration::from_secs(20);

/// An act that was answered, and where its events stand.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) key: String,
    pub(crate) positions: Vec<u64>,
}

/// What all clients have done.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) known: Mutex<Vec<Acknowledged>>,
    /// Requests that were not answered.
    pub(crate) unanswered: AtomicU64,
    /// Answers that an act was recorded before.
    pub(crate) repeated: AtomicU64,
}

/// A client.
pub(crate) struct Client {
    addresses: Addresses,
    agent: ureq::Agent,
    dice: Dice,
    book: Arc<Book>,
    /// The node that did not answer, and when.
    silent: Option<(SocketAddr, Instant)>,
}

impl Client {
    pub(crate) fn new(addresses: &Addresses, book: &Arc<Book>, seed: u64) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWERED));
        let agent = config.build().new_agent();
        let (addresses, book) = (Arc::clone(addresses), Arc::clone(book));
        Self { addresses, agent, dice: Dice::new(seed), book, silent: None }
    }

    /// Carries an act out; gives the position from which its effects are seen.
    pub(crate) fn act(&mut self, key: &str, path: &str, (kind, body): (&str, &str)) -> u64 {
        let receipt = self.ask(
            |url| Request::post(url).header("idempotency-key", key).header("content-type", kind).body(body.to_owned()),
            path,
        );
        let events = receipt["events"].as_array().unwrap();
        let positions = events.iter().map(|event| event["position"].as_u64().unwrap()).collect();
        self.book.repeated.fetch_add(u64::from(receipt["duplicate"] == true), Ordering::Relaxed);
        self.book.known.lock().unwrap().push(Acknowledged { key: key.to_owned(), positions });
        receipt["position"].as_u64().unwrap()
    }

    /// A view that includes `position`.
    pub(crate) fn view(&mut self, path: &str, position: u64) -> Value {
        self.ask(|url| Request::get(url).header("x-bishui-wait-for", position).body(String::new()), path)
    }

    /// Asks random nodes until one answers.
    fn ask(&mut self, request: impl Fn(String) -> ureq::http::Result<Request<String>>, path: &str) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(answer) = self.ask_once(&request, path) {
                return answer;
            }
            assert!(begun.elapsed() < ACKNOWLEDGED, "{path} was not answered within {ACKNOWLEDGED:?}");
            self.book.unanswered.fetch_add(1, Ordering::Relaxed);
            park_timeout(AGAIN);
        }
    }

    fn ask_once(
        &mut self,
        request: impl Fn(String) -> ureq::http::Result<Request<String>>,
        path: &str,
    ) -> Option<Value> {
        let node = self.node()?;
        let mut request = request(format!("http://{}{path}", node.address)).unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", node.token).parse().unwrap());
        headers.insert("x-bishui-actor", ACTOR.parse().unwrap());
        // A node that is killed breaks off at any byte.
        let answer = self.agent.run(request).and_then(|mut answer| {
            let text = answer.body_mut().read_to_string()?;
            Ok((answer.status(), text))
        });
        let Ok((status, text)) = answer else {
            self.silent = Some((node.address, Instant::now()));
            return None;
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        // A receipt that came before all had followed may lack the act's events; a repetition has them.
        (answer["followed"] != false).then_some(answer)
    }

    /// A random node of those that run.
    fn node(&mut self) -> Option<ServiceFile> {
        let silent = self.silent.filter(|(_, since)| since.elapsed() < LEFT_ALONE).map(|(address, _)| address);
        let running: Vec<_> = self.addresses.lock().unwrap().iter().flatten().cloned().collect();
        let others: Vec<_> = running.into_iter().filter(|node| Some(node.address) != silent).collect();
        let chosen = self.dice.below(u64::try_from(others.len()).unwrap().max(1));
        others.into_iter().nth(usize::try_from(chosen).unwrap())
    }

    /// Adopts the plan.
    pub(crate) fn adopt(&mut self) {
        self.act("plan", "/api/v1/plans", ("application/toml", &plan()));
    }

    /// Brings a month in, publishes it, and approves every notice that follows.
    pub(crate) fn month(&mut self, month: u64) {
        let period = format!("2020-{month:02}");
        self.act(&format!("import {period}"), "/api/v1/readings/imports", ("text/csv", &readings(month, &period)));
        let body = json!({ "period": period }).to_string();
        let mut position = self.act(&format!("publish {period}"), "/api/v1/rounds", ("application/json", &body));
        loop {
            let drafted = self.view("/api/v1/notices?state=drafted", position);
            let drafted = drafted.as_array().unwrap();
            if drafted.is_empty() {
                return;
            }
            for notice in drafted {
                let id = notice["id"].as_str().unwrap();
                let path = format!("/api/v1/notices/{id}/approve");
                position = self.act(&format!("approve {id}"), &path, ("application/json", "null"));
            }
        }
    }

    /// Records what a person found out about a message.
    pub(crate) fn resolve(&mut self, mail: MailId, arrived: bool) {
        let body = json!({ "arrived": arrived, "basis": "the server's record" }).to_string();
        let path = format!("/api/v1/mails/{mail}/resolve");
        self.act(&format!("resolve {mail}"), &path, ("application/json", &body));
    }

    /// Books payments, each of another amount, until told to stop.
    pub(crate) fn pay(&mut self, first: u64, stop: &AtomicBool) {
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let fen = first + number;
            let path = format!("/api/v1/counties/c{}/payments", fen % COUNTIES);
            let body = json!({ "fen": fen, "year": 2020 }).to_string();
            self.act(&format!("pay {fen}"), &path, ("application/json", &body));
        }
    }
}

/// A plan in which every county has a section of its own.
fn plan() -> String {
    let county = |id: u64| {
        format!(
            "[[county]]\nid = \"c{id}\"\nname = \"{id}县\"\nkind = \"county\"\n\
             emails = [\"office@c{id}.example\", \"chief@c{id}.example\"]\n"
        )
    };
    let section = |id: u64| {
        format!(
            "[[section]]\nid = \"s{id}\"\nname = \"{id}桥\"\nwater = \"徒骇河\"\nkind = \"river\"\n\
             county = \"c{id}\"\nlevel = \"national\"\ntarget = \"III\"\n"
        )
    };
    let head = "[plan]\nid = \"p-2020\"\nmunicipality = \"聊城市\"\nyear = 2020\ntime_zone = \"Asia/Shanghai\"\n\
        government_emails = [\"office@city.example\"]\n";
    let counties: String = (0..COUNTIES).map(county).collect();
    let sections: String = (0..COUNTIES).map(section).collect();
    format!("{head}{counties}{sections}")
}

/// Readings in which the sections of two counties always miss their targets, which is escalated, and those of the others
/// in every second month, so that each month has notices of its own.
fn readings(month: u64, period: &str) -> String {
    let misses = |county: u64| county < 2 || (county + month).is_multiple_of(2);
    let ammonia = |county: u64| if misses(county) { "1.5" } else { "0.5" };
    let row = |county: u64| format!("s{county},{period}-05,national,7.5,8.1,3.0,{}\n", ammonia(county));
    let rows: String = (0..COUNTIES).map(row).collect();
    format!("section,time,source,ph,do,codmn,nh3n\n{rows}")
}
