//! The settings of an SMTP server, checked before anything is sent.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, fs, io};

use jiff::SignedDuration;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use thiserror::Error;

use super::{Channel, Server};
use crate::mail::message::{self, MessageError};

/// How to reach the SMTP server of the office.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Name or address of the server; with TLS, the name in its certificate.
    pub host: String,
    /// Port of the server; 465 with `tls`, 587 with `starttls`, 25 with `none` where it is not given.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: TlsMode,
    /// Name to log in with; no login without it.
    pub username: Option<String>,
    /// Password to log in with.
    pub password: Option<Password>,
    /// The mailbox that sends: its address is the envelope's sender, and bounces go there.
    pub from: String,
    /// The name this machine gives itself; its host name where it is not given.
    pub hello_name: Option<String>,
    /// Longest wait for a connection, for a reply, or for the server to read the message.
    #[serde(default = "timeout")]
    pub timeout: SignedDuration,
    /// Longest wait for the reply to the whole message. RFC 5321 asks for ten minutes: a server may take the message
    /// and answer late, and every wait given up here becomes an unknown outcome.
    #[serde(default = "final_timeout")]
    pub final_timeout: SignedDuration,
    /// PEM file of the authorities to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

fn timeout() -> SignedDuration {
    SignedDuration::from_secs(60)
}

fn final_timeout() -> SignedDuration {
    SignedDuration::from_mins(10)
}

/// How a connection is encrypted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Not at all: for a server on the same machine.
    None,
    /// By STARTTLS, without which nothing is sent.
    StartTls,
    /// From the first byte.
    #[default]
    Tls,
}

/// A password, which is never printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The password `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Why the settings cannot be used; each is for the person who wrote them.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// There is no server to send to.
    #[error("mail host is empty")]
    Host,
    /// The sender is not a mailbox.
    #[error("mail sender cannot be used")]
    From(#[source] MessageError),
    /// The name is not one word of printable ASCII.
    #[error("mail hello_name {0:?} is not a host name")]
    Hello(String),
    /// A name without a password, or a password without a name.
    #[error("mail username and password must be given together")]
    HalfLogin,
    /// The password would cross the network in clear.
    #[error("mail password is given but tls is none: the password would be sent in clear")]
    PlainLogin,
    /// A wait of nothing or less.
    #[error("mail {0} must be longer than nothing")]
    Timeout(&'static str),
    /// The file of authorities cannot be read.
    #[error("cannot read mail ca_file {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What reading it said.
        #[source]
        source: io::Error,
    },
    /// The file of authorities is not PEM or has no certificate.
    #[error("mail ca_file {path} holds no PEM certificate")]
    CaEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The certificates or the server's name cannot be used.
    #[error("mail tls cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

impl SmtpSettings {
    pub(super) fn server(&self) -> Result<Server, SettingsError> {
        if self.host.trim().is_empty() {
            return Err(SettingsError::Host);
        }
        let port = self.port.unwrap_or(match self.tls {
            TlsMode::None => 25,
            TlsMode::StartTls => 587,
            TlsMode::Tls => 465,
        });
        Ok(Server {
            host: self.host.clone(),
            port,
            channel: self.channel()?,
            credentials: self.credentials()?,
            sender: message::mailbox(&self.from).map_err(SettingsError::From)?.email,
            hello: self.hello()?,
            timeout: positive("timeout", self.timeout)?,
            final_timeout: positive("final_timeout", self.final_timeout)?,
        })
    }

    fn channel(&self) -> Result<Channel, SettingsError> {
        match self.tls {
            TlsMode::None => Ok(Channel::Plain),
            TlsMode::StartTls => Ok(Channel::StartTls(self.tls_parameters()?)),
            TlsMode::Tls => Ok(Channel::Tls(self.tls_parameters()?)),
        }
    }

    fn credentials(&self) -> Result<Option<Credentials>, SettingsError> {
        match (&self.username, &self.password) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) if self.tls == TlsMode::None => Err(SettingsError::PlainLogin),
            (Some(name), Some(password)) => Ok(Some(Credentials::new(name.clone(), password.0.clone()))),
            (Some(_), None) | (None, Some(_)) => Err(SettingsError::HalfLogin),
        }
    }

    fn hello(&self) -> Result<ClientId, SettingsError> {
        match &self.hello_name {
            None => Ok(ClientId::default()),
            Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(ClientId::Domain(name.clone()))
            }
            Some(name) => Err(SettingsError::Hello(name.clone())),
        }
    }

    fn tls_parameters(&self) -> Result<TlsParameters, SettingsError> {
        let mut builder = TlsParameters::builder(self.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
        if let Some(path) = &self.ca_file {
            let pem = fs::read(path).map_err(|source| SettingsError::CaFile { path: path.clone(), source })?;
            // Without this check a file of nothing would trust nothing, and every sending would fail much later.
            if !matches!(CertificateDer::pem_slice_iter(&pem).next(), Some(Ok(_))) {
                return Err(SettingsError::CaEmpty { path: path.clone() });
            }
            let authorities = Certificate::from_pem(&pem).map_err(SettingsError::Tls)?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authorities);
        }
        builder.build().map_err(SettingsError::Tls)
    }
}

fn positive(name: &'static str, duration: SignedDuration) -> Result<Duration, SettingsError> {
    Duration::try_from(duration).ok().filter(|length| !length.is_zero()).ok_or(SettingsError::Timeout(name))
}

#[cfg(test)]
mod tests;
