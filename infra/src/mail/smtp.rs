//! Mail over SMTP, with an outcome for every recipient.
//!
//! One connection per message. Nothing is sent in clear where TLS is set, and a refusal that concerns the session (a
//! greeting, a login, a certificate) defers the message: it says nothing about the message or its recipients.

mod session;
mod settings;
mod stream;

use std::time::Duration;

use async_trait::async_trait;
use lettre::Address;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;

pub use settings::{Password, SettingsError, SmtpSettings, TlsMode};

use super::{Mailer, Outcome, OutgoingMail, RecipientOutcome, for_usable};

/// A mailer that hands messages to an SMTP server.
pub struct SmtpMailer {
    server: Server,
}

/// The settings, checked and ready for use.
struct Server {
    host: String,
    port: u16,
    channel: Channel,
    credentials: Option<Credentials>,
    sender: Address,
    hello: ClientId,
    timeout: Duration,
    final_timeout: Duration,
}

enum Channel {
    Plain,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

impl SmtpMailer {
    /// A mailer for `settings`; reads the file of certificates, connects to nothing.
    pub fn new(settings: &SmtpSettings) -> Result<Self, SettingsError> {
        Ok(Self { server: settings.server()? })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        for_usable(recipients, async |usable| match mail.to_bytes() {
            Ok(bytes) => session::deliver(&self.server, &bytes, &usable).await,
            Err(fault) => vec![Outcome::Failed { reply: fault.to_string() }; usable.len()],
        })
        .await
    }

    fn idempotent(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        let Server { host, port, channel, .. } = &self.server;
        let channel = match channel {
            Channel::Plain => "not encrypted",
            Channel::StartTls(_) => "STARTTLS",
            Channel::Tls(_) => "TLS",
        };
        format!("SMTP server {host}:{port} ({channel})")
    }
}
