//! Settings of the service: defaults, then a file, then the environment, then the command line; checked once.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bishui_domain::calendar::WorkCalendar;
use bishui_infra::attachments::Attachments;
use bishui_infra::mail::{Mailer, SmtpMailer, SmtpSettings, SpoolMailer};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::error::OfficeError;
use crate::store::Store;

/// The name of the settings file in the data directory.
pub const FILE_NAME: &str = "bishui.toml";
/// The directory of the spool in the data directory.
pub const SPOOL_DIR: &str = "outbox";
/// The directory of attachments in the data directory.
pub const ATTACHMENTS_DIR: &str = "attachments";
/// The directory of the store in the data directory.
pub const STORE_DIR: &str = "store";

/// Times of a lease: shorter ones are lost to a busy disk, longer ones leave the work of a dead node lying.
const LEASE_MS: RangeInclusive<u64> = 300..=60_000;

/// All settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address the service listens on.
    pub listen: SocketAddr,
    /// The sender of mail, `name <address>` or an address.
    pub mail_from: String,
    /// The host part of Message-IDs.
    pub mail_host: String,
    /// The mail server; without it mail goes to a spool of .eml files.
    #[serde(skip_serializing)]
    pub smtp: Option<SmtpSettings>,
    /// The directory of the spool; by default `outbox` in the data directory, where the store is embedded. On a database
    /// only a node that names one has a spool: the others would take the mail of the whole office into their own.
    pub spool: Option<PathBuf>,
    /// The directory of attachments; by default `attachments` in the data directory. Nodes that share a store share it.
    pub attachments: Option<PathBuf>,
    /// The store, `sled:DIR` or `postgres://…`; by default the embedded one in the data directory. It may hold a
    /// password.
    #[serde(skip_serializing)]
    pub store: Option<String>,
    /// A calendar of working days that replaces the built-in one.
    pub calendar: Option<PathBuf>,
    /// The file of the key that signs checkpoints, where several nodes share one; it must be there. By default a key
    /// of its own in the data directory.
    pub signing_key: Option<PathBuf>,
    /// Milliseconds for which a lease of background work is taken; it is renewed after a third of that.
    pub lease_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8620)),
            mail_from: "bishui@bishui.invalid".to_owned(),
            mail_host: "bishui.invalid".to_owned(),
            smtp: None,
            spool: None,
            attachments: None,
            store: None,
            calendar: None,
            signing_key: None,
            lease_ms: 6_000,
        }
    }
}

impl Config {
    /// Reads the settings: `file`, or `bishui.toml` in the data directory if there is one, then `BISHUI_` variables
    /// (`BISHUI_SMTP__HOST` for nested keys).
    ///
    /// # Errors
    /// A file that is named and not there, an unknown key, or a value of the wrong form.
    pub fn read(data_dir: &Path, file: Option<&Path>) -> Result<Self, OfficeError> {
        let input = |what: String| OfficeError::Input { what };
        let path = file.map_or_else(|| data_dir.join(FILE_NAME), Path::to_owned);
        if file.is_some() && !path.is_file() {
            return Err(input(format!("the settings file {} does not exist", path.display())));
        }
        // These have variables of their own: options of the command line, and the filter of the log.
        let variables = Env::prefixed("BISHUI_").ignore(&["data", "as", "config", "log"]).split("__");
        let figment = Figment::from(Serialized::defaults(Self::default())).merge(Toml::file(&path)).merge(variables);
        let config: Self =
            figment.extract().map_err(|error| input(format!("settings{}: {error}", place(&path, &error))))?;
        if !LEASE_MS.contains(&config.lease_ms) {
            let (least, most) = (LEASE_MS.start(), LEASE_MS.end());
            return Err(input(format!("settings: `lease_ms` is {}, not {least} to {most}", config.lease_ms)));
        }
        Ok(config)
    }

    /// Time for which a lease of background work is taken.
    pub fn lease_time(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// The calendar of working days.
    ///
    /// # Errors
    /// The file that replaces the built-in one cannot be read.
    pub fn work_calendar(&self) -> Result<Arc<WorkCalendar>, OfficeError> {
        let Some(path) = &self.calendar else { return Ok(Arc::new(bishui_infra::calendar::built_in())) };
        let text = crate::scenario::read_text(path)?;
        let parsed = bishui_infra::calendar::parse(&text);
        parsed.map(Arc::new).map_err(|error| OfficeError::Input { what: format!("{}: {error}", path.display()) })
    }

    /// Where attachments are kept.
    pub fn attachments(&self, data_dir: &Path) -> Attachments {
        Attachments::at(self.attachments.clone().unwrap_or_else(|| data_dir.join(ATTACHMENTS_DIR)))
    }

    /// Whether mail is sent from here: a store that is shared may have its mail server elsewhere.
    pub fn sends_mail(&self, store: &Store) -> bool {
        match store {
            Store::Sled(_) => true,
            Store::Postgres(_) => self.smtp.is_some() || self.spool.is_some(),
        }
    }

    /// The directory of the spool.
    pub fn spool(&self, data_dir: &Path) -> PathBuf {
        self.spool.clone().unwrap_or_else(|| data_dir.join(SPOOL_DIR))
    }

    /// Where mail goes.
    ///
    /// # Errors
    /// Settings of the mail server that cannot work, or a spool directory that cannot be made.
    pub fn mailer(&self, data_dir: &Path) -> Result<Arc<dyn Mailer>, OfficeError> {
        let input = |what: String| OfficeError::Input { what };
        if let Some(settings) = &self.smtp {
            return Ok(Arc::new(SmtpMailer::new(settings).map_err(|error| input(error.to_string()))?));
        }
        let spool = SpoolMailer::open(self.spool(data_dir));
        Ok(Arc::new(spool.map_err(|error| input(format!("the mail spool: {error}")))?))
    }
}

/// Where in the settings file the key of an error stands; nothing when it stands elsewhere.
fn place(file: &Path, error: &figment::Error) -> String {
    let Ok(text) = std::fs::read_to_string(file) else { return String::new() };
    let Ok(document) = toml::de::DeTable::parse(&text) else { return String::new() };
    let from_file = error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref()?.file_path());
    if from_file.is_none() {
        return String::new();
    }
    let (mut table, mut line) = (Some(document.get_ref()), None);
    for key in &error.path {
        let entry = table.and_then(|table| table.get_key_value(key.as_str()));
        let Some((key, value)) = entry else { break };
        line = text.get(..key.span().start).map(|before| before.matches('\n').count() + 1);
        table = value.get_ref().as_table();
    }
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}
