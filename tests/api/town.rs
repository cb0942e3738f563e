//! A town for tests: a plan with two counties, and the service running on a free port with a clock that is set.

use std::sync::Arc;
use std::time::Duration;

use bishui::accounts::{self, NewAccount, Role};
use bishui::clock::{Clock, ManualClock};
use bishui::http::{ServeError, ServeSettings, ServiceFile, serve};
use bishui::office::{Office, Settings};
use bishui_infra::attachments::Attachments;
use bishui_infra::event_log::EventLog;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::mail::{Mailer, SinkMailer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ureq::http::{HeaderMap, Request};

/// The plan of the town.
pub(crate) const PLAN: &str = r#"
[plan]
id = "town-2020"
municipality = "聊城市"
year = 2020
time_zone = "Asia/Shanghai"
document_prefix = "聊环"

[[county]]
id = "gaotang"
name = "高唐县"
kind = "county"
emails = ["office@gaotang.example"]

[[county]]
id = "guanxian"
name = "冠县"
kind = "county"
emails = ["desk@guan.example"]

[[section]]
id = "beihu"
name = "高唐北湖"
water = "高唐湖"
kind = "lake"
county = "gaotang"
level = "national"
target = "III"

[[section]]
id = "yushan"
name = "鱼山桥"
water = "马颊河"
kind = "river"
county = "guanxian"
level = "national"
target = "III"
"#;

/// Readings of a month in which both sections miss their target by ammonia nitrogen.
pub(crate) fn readings(month: &str, ammonia: &str) -> String {
    let row = |section: &str| format!("{section},{month}-05,national,7.5,8.1,3.0,{ammonia}\n");
    format!("section,time,source,ph,do,codmn,nh3n\n{}{}", row("beihu"), row("yushan"))
}

/// The running service.
pub(crate) struct Town {
    pub(crate) dir: TempDir,
    pub(crate) mailer: Arc<SinkMailer>,
    pub(crate) service: ServiceFile,
    clock: Arc<ManualClock>,
    agent: ureq::Agent,
    runtime: Runtime,
    running: Option<Running>,
}

/// What stops the service, and how it ended.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), ServeError>>);

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body as text, as far as it is one.
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// Status, code and title of a problem.
    #[track_caller]
    pub(crate) fn problem(self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], format!("urn:bishui:problem:{}", problem["code"].as_str().unwrap()));
        let instance = format!("urn:bishui:request:{}", self.header("x-request-id").unwrap());
        assert_eq!(problem["instance"], instance);
        let text = |key: &str| problem[key].as_str().unwrap().to_owned();
        assert!(!text("detail").is_empty());
        (self.status, text("code"), text("title"))
    }
}

impl Town {
    /// A town without a plan, on 5 March 2020.
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryLog::new()))
    }

    /// A town without a plan on a log.
    pub(crate) fn on(log: Arc<dyn EventLog>) -> Self {
        let sink = Arc::new(SinkMailer::default());
        Self { mailer: sink.clone(), ..Self::node(log, sink, Settings::default()) }
    }

    /// A node of a town on a log that others may serve too, with a mailer of its own.
    pub(crate) fn node(log: Arc<dyn EventLog>, mailer: Arc<dyn Mailer>, settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2020-03-05T09:00:00+08:00".parse().unwrap()));
        let calendar = Arc::new(bishui_infra::calendar::built_in());
        let attachments = Some(Attachments::at(dir.path().join("attachments")));
        let office = Office::new(log, clock.clone(), calendar, Settings { attachments, ..settings });
        let settings = ServeSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: dir.path().to_owned(),
            mail_from: "bishui@liaocheng.example".to_owned(),
            signing_key: None,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or(()) };
        let served = runtime.spawn(serve(Arc::new(office), mailer, settings, shutdown));
        let service = eventually(|| ServiceFile::read(dir.path()).unwrap());
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mailer = Arc::default();
        Self { dir, mailer, service, clock, agent, runtime, running: Some((stop, served)) }
    }

    /// A town whose plan is adopted and whose January and February are imported and published; both counties have a
    /// charge and an open interview.
    pub(crate) fn judged() -> Self {
        let town = Self::new();
        town.judge();
        town
    }

    /// Adopts the plan, and imports and publishes January and February.
    pub(crate) fn judge(&self) {
        let town = self;
        town.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
        for (month, ammonia) in [("2020-01", "1.5"), ("2020-02", "1.6")] {
            town.act("clerk", "/api/v1/readings/imports", ("text/csv", &readings(month, ammonia))).ok();
            town.publish(month);
        }
    }

    pub(crate) fn publish(&self, period: &str) {
        let body = serde_json::json!({ "period": period }).to_string();
        self.act("approver", "/api/v1/rounds", ("application/json", &body)).ok();
    }

    /// Approves every drafted notice and waits until all are sent.
    pub(crate) fn send_notices(&self) {
        let approver = self.token(Role::Approver);
        for notice in self.get(&approver, "/api/v1/notices?state=drafted").ok().as_array().unwrap() {
            let id = notice["id"].as_str().unwrap();
            self.post(&approver, &format!("/api/v1/notices/{id}/approve"), &Value::Null).ok();
        }
        eventually(|| {
            let open = self.get(&approver, "/api/v1/notices?state=approved").ok();
            open.as_array().unwrap().is_empty().then_some(())
        });
    }

    /// A fresh token of a role; counties belong to gaotang.
    pub(crate) fn token(&self, role: Role) -> String {
        match role {
            Role::County => self.county_token("gaotang"),
            Role::Clerk | Role::Approver | Role::Finance | Role::Auditor | Role::Administrator => {
                self.account(&role.to_string(), role, None)
            }
        }
    }

    pub(crate) fn county_token(&self, county: &str) -> String {
        self.account(county, Role::County, Some(county))
    }

    fn account(&self, name: &str, role: Role, county: Option<&str>) -> String {
        let number = accounts::list(self.dir.path()).unwrap().len();
        let name = format!("{name}-{number}");
        let county = county.map(|county| county.parse().unwrap());
        accounts::create(self.dir.path(), NewAccount { name, role, county, expires: None }, self.clock.now()).unwrap()
    }

    pub(crate) fn act(&self, role: &str, path: &str, (kind, body): (&str, &str)) -> Reply {
        let token = self.token(role.parse().unwrap());
        self.send("POST", path, &[("authorization", &format!("Bearer {token}")), ("content-type", kind)], body)
    }

    pub(crate) fn get(&self, token: &str, path: &str) -> Reply {
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))], "")
    }

    pub(crate) fn post(&self, token: &str, path: &str, body: &Value) -> Reply {
        self.post_with(token, path, body, &[])
    }

    pub(crate) fn post_with(&self, token: &str, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let bearer = format!("Bearer {token}");
        let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        self.send("POST", path, &all, &body.to_string())
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.service.address));
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let response = match method {
            "GET" | "DELETE" => self.agent.run(request.body(()).unwrap()),
            _ => self.agent.run(request.body(body.to_owned()).unwrap()),
        };
        let mut response = response.unwrap();
        let bytes = response.body_mut().read_to_vec().unwrap();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status: response.status().as_u16(), headers: response.headers().clone(), body, bytes }
    }

    /// Ends the service as a kill would: nothing is finished, nothing is given back.
    pub(crate) fn kill(&mut self) {
        if let Some((_stop, served)) = self.running.take() {
            served.abort();
            assert!(self.runtime.block_on(served).unwrap_err().is_cancelled());
        }
    }

    /// Waits for the service to end by itself; gives why it did.
    pub(crate) fn broken_off(&mut self) -> ServeError {
        let (_stop, served) = self.running.take().unwrap();
        let ended = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), served).await });
        ended.expect("the service ends").unwrap().unwrap_err()
    }

    /// Stops the service and waits for it.
    pub(crate) fn stop(&mut self) {
        if let Some((stop, served)) = self.running.take() {
            stop.send(()).unwrap();
            self.runtime.block_on(served).unwrap().unwrap();
        }
    }
}

/// What `look` finds, looked for a bounded number of times.
#[track_caller]
pub(crate) fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("what was waited for did not come");
}
