//! One SMTP session for one message, and where in it the session ended.
//!
//! Until the last byte of the message is written nothing can have been accepted, so that whatever breaks defers. From
//! then on only a reply tells, and without one the outcome is unknown.

use std::fmt::Display;
use std::pin::pin;
use std::slice::Chunks;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::stream::BoundedStream;
use super::{Channel, Server};
use crate::mail::{Outcome, one_line};

/// Longest wait for the reply to QUIT. It is short because the outcome is recorded only after it.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a message written at a time.
const PART_BYTES: usize = 16 * 1024;

/// Hands `content` to `server` for `recipients`; one outcome for each, in their order.
pub(super) async fn deliver(server: &Server, content: &[u8], recipients: &[Address]) -> Vec<Outcome> {
    let mut refused: Vec<Option<Outcome>> = vec![None; recipients.len()];
    let rest = converse(server, content, recipients, &mut refused).await.unwrap_or_else(Fault::outcome);
    refused.into_iter().map(|outcome| outcome.unwrap_or_else(|| rest.clone())).collect()
}

/// A session from greeting to goodbye; gives the outcome of every recipient not entered in `refused`.
async fn converse(
    server: &Server,
    content: &[u8],
    recipients: &[Address],
    refused: &mut [Option<Outcome>],
) -> Result<Outcome, Fault> {
    let mut connection = server.open().await?;
    let result = hand_over(server, &mut connection, content, recipients, refused).await;
    if !matches!(result, Ok(Outcome::Unknown { .. }) | Err(Fault::Broken(_))) {
        // The outcome is known; whether the goodbye is heard changes nothing.
        drop(timeout(server.timeout.min(QUIT_TIMEOUT), connection.quit()).await);
    }
    result
}

async fn hand_over(
    server: &Server,
    connection: &mut AsyncSmtpConnection,
    content: &[u8],
    recipients: &[Address],
    refused: &mut [Option<Outcome>],
) -> Result<Outcome, Fault> {
    let from = Mail::new(Some(server.sender.clone()), Vec::new());
    command(server, connection, "MAIL FROM", from, Severity::PositiveCompletion).await?;
    for (recipient, refused) in recipients.iter().zip(refused.iter_mut()) {
        let to = Rcpt::new(recipient.clone(), Vec::new());
        match command(server, connection, "RCPT TO", to, Severity::PositiveCompletion).await {
            Ok(()) => {}
            Err(fault @ Fault::Refused { .. }) => *refused = Some(fault.outcome()),
            Err(broken @ Fault::Broken(_)) => return Err(broken),
        }
    }
    if refused.iter().all(Option::is_some) {
        return Ok(Outcome::Deferred { reply: "no recipient was accepted".to_owned() });
    }
    // Exactly 3xx: a reply out of step with the commands must not let the message be taken for accepted.
    command(server, connection, "DATA", Data, Severity::PositiveIntermediate).await?;
    transfer(server, connection, content).await
}

/// Why a session did not come to its end; in each case the message was not accepted.
enum Fault {
    /// The server refused a command by its reply.
    Refused { transient: bool, reply: String },
    /// The session could not begin or go on.
    Broken(String),
}

impl Fault {
    fn outcome(self) -> Outcome {
        match self {
            Self::Refused { transient: false, reply } => Outcome::Failed { reply },
            Self::Refused { transient: true, reply } | Self::Broken(reply) => Outcome::Deferred { reply },
        }
    }

    /// The error lettre gave at `phase`, before the message was sent.
    fn at(phase: &str, error: &Error) -> Self {
        match refusal(phase, error) {
            Some(refused) => refused,
            None => Self::Broken(one_line(&format!("session broken at {phase}: {error}"))),
        }
    }

    fn silent(phase: &str, waited: Duration) -> Self {
        Self::Broken(format!("no reply at {phase} within {waited:?}"))
    }

    /// The same fault where it concerns the session: a refused login or greeting is not the message's fault.
    fn of_session(self) -> Self {
        match self {
            Self::Refused { reply, .. } | Self::Broken(reply) => Self::Broken(reply),
        }
    }
}

/// The refusal in `error`, if it comes from a complete reply.
fn refusal(phase: &str, error: &Error) -> Option<Fault> {
    let code = error.status()?;
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let reply = one_line(&format!("{code} {} (at {phase})", text.trim()));
    Some(Fault::Refused { transient: code.severity == Severity::TransientNegativeCompletion, reply })
}

fn shown(response: &Response) -> String {
    one_line(&format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" ")))
}

/// Sends one command and waits for a reply of the kind it needs.
async fn command(
    server: &Server,
    connection: &mut AsyncSmtpConnection,
    phase: &str,
    command: impl Display,
    expected: Severity,
) -> Result<(), Fault> {
    let response = timeout(server.timeout, connection.command(command))
        .await
        .map_err(|_| Fault::silent(phase, server.timeout))?
        .map_err(|error| Fault::at(phase, &error))?;
    if response.code().severity == expected {
        Ok(())
    } else {
        Err(Fault::Broken(one_line(&format!("unexpected reply at {phase}: {}", shown(&response)))))
    }
}

/// Sends the message and its final dot.
async fn transfer(server: &Server, connection: &mut AsyncSmtpConnection, content: &[u8]) -> Result<Outcome, Fault> {
    const PHASE: &str = "the end of DATA";
    // lettre ends the message with a line break and the dot; the last line break of the message is that one.
    let content = content.strip_suffix(b"\r\n").unwrap_or(content);
    let written = AtomicBool::new(false);
    let parts = Parts { parts: content.chunks(PART_BYTES), written: &written };
    let mut sending = pin!(connection.message_iter(parts));
    let mut result = timeout(server.timeout, sending.as_mut()).await;
    if result.is_err() && written.load(Ordering::Acquire) {
        result = timeout(server.final_timeout, sending).await;
    }
    let unknown = |what: &str| Outcome::Unknown { what: one_line(&format!("no reply after the message: {what}")) };
    match result {
        Ok(Ok(response)) if response.code().severity == Severity::PositiveCompletion => {
            Ok(Outcome::Accepted { reply: shown(&response) })
        }
        Ok(Ok(response)) => Ok(unknown(&format!("unexpected {}", shown(&response)))),
        Ok(Err(error)) => match refusal(PHASE, &error) {
            Some(refused) => Err(refused),
            None if written.load(Ordering::Acquire) => Ok(unknown(&error.to_string())),
            None => Err(Fault::at("DATA", &error)),
        },
        Err(_) if written.load(Ordering::Acquire) => Ok(unknown("waited long enough")),
        Err(_) => Err(Fault::silent("DATA", server.timeout)),
    }
}

/// The message in parts. lettre asks for the part after the last one when all are written and flushed, and writes the
/// final dot next: `written` is set exactly then, so that as long as it is not set no dot can have gone out.
struct Parts<'a> {
    parts: Chunks<'a, u8>,
    written: &'a AtomicBool,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.parts.next();
        if part.is_none() {
            self.written.store(true, Ordering::Release);
        }
        part
    }
}

impl Server {
    /// A session ready for MAIL FROM: encrypted and logged in as far as the settings say.
    async fn open(&self) -> Result<AsyncSmtpConnection, Fault> {
        let mut connection = match &self.channel {
            Channel::Plain => self.connect(true).await?,
            Channel::StartTls(parameters) => {
                let mut connection = self.connect(false).await?;
                self.start_tls(&mut connection, parameters).await?;
                connection
            }
            Channel::Tls(parameters) => {
                let address = (self.host.as_str(), self.port);
                let parameters = Some(parameters.clone());
                self.within(
                    "connecting",
                    AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, parameters, None),
                )
                .await?
            }
        };
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            self.within("AUTH", connection.auth(&mechanisms, credentials)).await?;
        }
        Ok(connection)
    }

    async fn connect(&self, mask: bool) -> Result<AsyncSmtpConnection, Fault> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(self.timeout, connecting)
            .await
            .map_err(|_| Fault::silent("connecting", self.timeout))?
            .map_err(|error| Fault::Broken(one_line(&format!("cannot connect: {error}"))))?;
        let stream = Box::new(BoundedStream::new(stream, mask));
        self.within("the greeting", AsyncSmtpConnection::connect_with_transport(stream, &self.hello)).await
    }

    async fn start_tls(&self, connection: &mut AsyncSmtpConnection, parameters: &TlsParameters) -> Result<(), Fault> {
        if !connection.can_starttls() {
            return Err(Fault::Broken("the server does not offer STARTTLS, which is required".to_owned()));
        }
        self.within("STARTTLS", connection.starttls(parameters.clone(), &self.hello)).await
    }

    /// `step` of opening the session, with its time limit; a refusal here is not the message's fault.
    async fn within<T>(&self, phase: &str, step: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
        timeout(self.timeout, step)
            .await
            .map_err(|_| Fault::silent(phase, self.timeout))?
            .map_err(|error| Fault::at(phase, &error).of_session())
    }
}
