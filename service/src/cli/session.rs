//! A session: the store itself when no service runs on it, else the running service.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bishui_infra::backup::{LINE_BYTES_MAX, Line};
use bishui_infra::event_log::{LogError, Position};
use bishui_infra::mail::Mailer;
use serde_json::Value;
use uuid::Uuid;

use super::answer::Answer;
use super::args::Cli;
use crate::act::Act;
use crate::audit::{Desk, Question};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::error::OfficeError;
use crate::http::{EXPORT_PATH, HEAD_HEADER, ServiceFile};
use crate::office::{Office, Request, Settings};
use crate::preview::preview;
use crate::query::{Query, answer};
use crate::store::{Place, Store};
use crate::view::Scope;
use crate::{deadlines, delivery};

/// Times an act is tried while it is not known whether it was recorded.
const TRIES: u32 = 3;
/// Pause between them.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What has become of an act.
pub(super) struct Done {
    /// The answer to it.
    pub(super) answer: Answer,
    /// What the mail or the reminders that were due after it failed with; the act is done all the same.
    pub(super) left: Option<OfficeError>,
}

impl From<Answer> for Done {
    fn from(answer: Answer) -> Self {
        Self { answer, left: None }
    }
}

/// Where acts and questions go.
pub(super) enum Session {
    /// The store in the data directory.
    Local(Box<Local>),
    /// The service that has the store.
    Remote(Remote),
}

pub(super) struct Local {
    pub(super) office: Office,
    mailer: Arc<dyn Mailer>,
    data_dir: PathBuf,
    signing_key: Option<PathBuf>,
    mail_from: String,
    actor: String,
}

pub(super) struct Remote {
    agent: ureq::Agent,
    service: ServiceFile,
    actor: String,
}

/// Where the store is: the option of the command line, the setting, or the data directory.
pub(super) fn place(cli: &Cli, config: &Config) -> Result<Place, OfficeError> {
    match &cli.store {
        Some(place) => Ok(place.clone()),
        None => Place::of(&cli.data, config.store.as_deref()),
    }
}

/// Opens the store.
pub(super) async fn open_store(cli: &Cli, config: &Config) -> Result<Store, OfficeError> {
    place(cli, config)?.open().await
}

/// An office on a store, with the settings of the data directory.
pub(super) fn office(store: &Store, config: &Config, data_dir: &Path) -> Result<Office, OfficeError> {
    let settings = Settings {
        mail_host: config.mail_host.clone(),
        attachments: Some(config.attachments(data_dir)),
        sends_mail: config.sends_mail(store),
        lease_time: config.lease_time(),
        ..Settings::default()
    };
    Ok(Office::new(store.log(), Arc::new(SystemClock::default()), config.work_calendar()?, settings))
}

impl Session {
    /// Opens the store, or finds the service that has it.
    pub(super) async fn open(cli: &Cli) -> Result<Self, OfficeError> {
        let config = Config::read(&cli.data, cli.config.as_deref())?;
        match open_store(cli, &config).await {
            Ok(store) => {
                let mailer = config.mailer(&cli.data)?;
                let office = office(&store, &config, &cli.data)?;
                let Config { mail_from, signing_key, .. } = config;
                let (data_dir, actor) = (cli.data.clone(), cli.actor.clone());
                let local = Local { office, mailer, data_dir, signing_key, mail_from, actor };
                Ok(Self::Local(Box::new(local)))
            }
            Err(OfficeError::Log(LogError::InUse { path })) => {
                let file =
                    ServiceFile::read(&cli.data).map_err(|error| OfficeError::Input { what: error.to_string() })?;
                let service = file.ok_or(LogError::InUse { path })?;
                let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
                Ok(Self::Remote(Remote { agent, service, actor: cli.actor.clone() }))
            }
            Err(error) => Err(error),
        }
    }

    /// Carries out an act. Where it is not known whether it was recorded it is repeated under its key, which records it
    /// once.
    pub(super) async fn perform(&self, act: &Act) -> Result<Done, OfficeError> {
        let key = Uuid::now_v7().to_string();
        until_known(async || match self {
            Self::Local(local) => local.perform(act, &key).await,
            Self::Remote(remote) => {
                let act = serde_json::to_value(act).expect("acts are JSON");
                remote.post("/api/v1/acts", &act, Some(&key)).map(|told| Answer::Told(told).into())
            }
        })
        .await
    }

    /// Previews an act.
    pub(super) async fn preview(&self, act: &Act) -> Result<Answer, OfficeError> {
        match self {
            Self::Local(local) => {
                let previewed = preview(&local.office, act, &Request::by(&local.actor)).await?;
                Ok(Answer::Preview(Box::new(previewed)))
            }
            Self::Remote(remote) => {
                let act = serde_json::to_value(act).expect("acts are JSON");
                remote.post("/api/v1/previews", &act, None).map(Answer::Told)
            }
        }
    }

    /// Answers a question.
    pub(super) async fn ask(&self, query: &Query) -> Result<Value, OfficeError> {
        match self {
            Self::Local(local) => {
                local.office.follow_through().await?;
                answer(&local.office, &Scope::City, query).await
            }
            Self::Remote(remote) => {
                remote.post("/api/v1/queries", &serde_json::to_value(query).expect("queries are JSON"), None)
            }
        }
    }

    /// Answers a question about the proof of the log. Nothing is appended first: it is the log as it is.
    pub(super) async fn audit(&self, question: Question) -> Result<Value, OfficeError> {
        match self {
            Self::Local(local) => local.audit(question).await,
            Self::Remote(remote) => {
                remote.post("/api/v1/audits", &serde_json::to_value(question).expect("questions are JSON"), None)
            }
        }
    }

    /// Builds a projection anew.
    pub(super) async fn rebuild(&self, name: &str) -> Result<Value, OfficeError> {
        match self {
            Self::Local(local) => {
                local.office.follow_through().await?;
                let built = local.office.rebuild(name).await?;
                Ok(serde_json::to_value(built).expect("what was built is described by texts and numbers"))
            }
            Self::Remote(remote) => {
                // A name goes into the path; whatever is no plain word is the name of none.
                let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if !plain || name.is_empty() {
                    return Err(OfficeError::NotFound { what: "a projection of this name".to_owned() });
                }
                remote.post(&format!("/api/v1/projections/{name}/rebuild"), &Value::Null, None)
            }
        }
    }

    /// Where mail of this session's acts goes, for people.
    pub(super) fn mail_goes_to(&self) -> Option<String> {
        match self {
            Self::Local(local) if local.office.settings.sends_mail => Some(local.mailer.describe()),
            Self::Local(_) => Some("a service or command that has a mail server".to_owned()),
            Self::Remote(_) => None,
        }
    }
}

impl Local {
    async fn audit(&self, question: Question) -> Result<Value, OfficeError> {
        let desk = Arc::new(Desk::open(&self.data_dir, self.signing_key.as_deref())?);
        desk.answer(self.office.log(), question).await
    }

    async fn perform(&self, act: &Act, key: &str) -> Result<Done, OfficeError> {
        let key = Some(format!("{}/{key}", self.actor));
        let request = Request { idempotency_key: key, ..Request::by(&self.actor) };
        let log = Arc::clone(self.office.log());
        let done = tokio::select! {
            done = self.do_and_follow(act, &request) => done,
            never = self.office.leases.keep(&*log) => match never {},
        };
        self.office.leases.end_all(&*log).await;
        done
    }

    /// Carries out an act and everything that is due after it, as a service would in the background.
    async fn do_and_follow(&self, act: &Act, request: &Request) -> Result<Done, OfficeError> {
        let answer = Answer::Receipt(self.office.perform(act, request).await?);
        let left = self.send_and_remind().await.err();
        if let Act::Publish { .. } = act
            && let Err(error) = self.audit(Question::Checkpoint).await
        {
            // The round is published all the same.
            tracing::error!(error = &error as &dyn std::error::Error, "no checkpoint was signed");
        }
        Ok(Done { answer, left })
    }

    /// Does what is due. One failure does not hold up the rest, and is told; an outcome of mail that could not be recorded
    /// has another chance so.
    async fn send_and_remind(&self) -> Result<(), OfficeError> {
        let deliver = async || delivery::deliver_due(&self.office, &*self.mailer, &self.mail_from).await.map(drop);
        let done = [deliver().await, deadlines::fire_due(&self.office).await, deliver().await];
        done.into_iter().collect()
    }
}

/// Does something until it is known whether it was done, a few times at most; it must be something that is done once
/// however often it is asked for.
async fn until_known<T>(mut ask: impl AsyncFnMut() -> Result<T, OfficeError>) -> Result<T, OfficeError> {
    for _ in 1..TRIES {
        match ask().await {
            Err(OfficeError::Log(LogError::Unavailable { .. }) | OfficeError::Remote { status: 503, .. }) => {}
            known => return known,
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
    ask().await
}

/// Recorded events as the running service tells them, up to its head when it was asked.
pub(super) struct RemoteEvents {
    lines: BufReader<ureq::BodyReader<'static>>,
    last: Position,
    head: Position,
}

impl RemoteEvents {
    /// Where they end.
    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// The next line; none at the head.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>, OfficeError> {
        let mut bytes = Vec::new();
        let read = self.lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        read.map_err(down)?;
        if bytes.is_empty() && self.last == self.head {
            return Ok(None);
        }
        // An end before the head leaves no line either.
        let line = Line::parse(&bytes).map_err(down)?;
        self.last = line.event.position;
        Ok(Some(line))
    }
}

fn down(what: impl std::fmt::Display) -> LogError {
    LogError::Unavailable { what: format!("the running service: {what}"), source: None }
}

impl Remote {
    /// Asks for every event after a position.
    pub(super) fn events(&self, after: Position) -> Result<RemoteEvents, OfficeError> {
        let path = format!("http://{}{EXPORT_PATH}?after={after}", self.service.address);
        let request = self.agent.get(path).header("authorization", format!("Bearer {}", self.service.token));
        let response = request.header("x-bishui-actor", "backup").call().map_err(down)?;
        let status = response.status();
        let head = response.headers().get(HEAD_HEADER).and_then(|head| head.to_str().ok()?.parse().ok());
        let head = head.filter(|_| status.is_success()).ok_or_else(|| down(format!("it answers {status}")))?;
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        // The service has nothing after a head that the backup is ahead of.
        let last = after.min(Position(head));
        Ok(RemoteEvents { lines: BufReader::new(body), last, head: Position(head) })
    }

    fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Value, OfficeError> {
        let actor = ureq::http::HeaderValue::from_bytes(self.actor.as_bytes());
        let actor = actor.map_err(|_| OfficeError::Input { what: "`--as` holds control characters".to_owned() })?;
        let mut request = self
            .agent
            .post(format!("http://{}{path}", self.service.address))
            .header("authorization", format!("Bearer {}", self.service.token))
            .header("x-bishui-actor", actor);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let mut response = request.send_json(body).map_err(down)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 30).read_json::<Value>();
        let body = body.map_err(down)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(OfficeError::Remote { status, code: text("code"), detail: text("detail") })
    }
}
