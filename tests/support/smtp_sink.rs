//! An SMTP server that writes down what it takes over at the final dot, before it says so.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bishui::drill::MAIL_FROM;
use bishui_infra::mail::smtp::TlsMode;
use bishui_infra::mail::{SmtpMailer, SmtpSettings};
use jiff::SignedDuration;

/// A message taken over for a recipient: its Message-ID and the address.
pub type Taken = (String, String);

/// Hears of a final dot and is given what answers it; dropped without an answer, the session ends there.
pub type Listener = Arc<dyn Fn(Sender<()>) + Send + Sync>;

/// The server; it ends with the process.
#[derive(Clone)]
pub struct Server {
    /// The port on 127.0.0.1.
    pub port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    taken: Mutex<Vec<Taken>>,
    /// Who is told of a final dot and decides whether it is answered; without one it always is.
    listener: Mutex<Option<Listener>>,
    sessions: Mutex<Vec<JoinHandle<()>>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// No port is free.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self { port: listener.local_addr()?.port(), state: Arc::default() };
        let state = Arc::clone(&server.state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = Arc::clone(&state);
                // A client that is killed ends its session with an error: that is what the test is about.
                let session = thread::spawn(move || drop(serve(&own, &stream)));
                held(&state.sessions).push(session);
            }
        });
        Ok(server)
    }

    /// Tells `listener` of every final dot from now on.
    pub fn tell(&self, listener: Option<Listener>) {
        *held(&self.state.listener) = listener;
    }

    /// What was taken over so far.
    pub fn taken_so_far(&self) -> Vec<Taken> {
        held(&self.state.taken).clone()
    }

    /// What was taken over, once all sessions of a client that is gone have ended.
    pub fn taken(&self) -> Vec<Taken> {
        let sessions = std::mem::take(&mut *held(&self.state.sessions));
        for session in sessions {
            session.join().expect("a session does not panic");
        }
        held(&self.state.taken).clone()
    }
}

/// A mailer to the server at `port`.
pub fn mailer_to(port: u16) -> SmtpMailer {
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        tls: TlsMode::None,
        username: None,
        password: None,
        from: MAIL_FROM.to_owned(),
        hello_name: Some("bishui.example".to_owned()),
        timeout: SignedDuration::from_secs(60),
        final_timeout: SignedDuration::from_secs(60),
        ca_file: None,
    };
    SmtpMailer::new(&settings).expect("the settings are complete")
}

fn serve(state: &State, stream: &TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut recipients = Vec::new();
    writer.write_all(b"220 sink\r\n")?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default();
        match verb {
            "RCPT" => {
                recipients.extend(line.split(['<', '>']).nth(1).map(str::to_owned));
                writer.write_all(b"250 ok\r\n")?;
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                let id = message_id(&mut reader)?;
                held(&state.taken).extend(recipients.drain(..).map(|recipient| (id.clone(), recipient)));
                if !is_to_be_answered(state) {
                    return Ok(());
                }
                writer.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return writer.write_all(b"221 bye\r\n"),
            _ => writer.write_all(b"250 ok\r\n")?,
        }
    }
}

/// Waits for the listener's word; one that has gone, or kills the client, gives none.
fn is_to_be_answered(state: &State) -> bool {
    let Some(listener) = held(&state.listener).clone() else { return true };
    let (answer, answered) = mpsc::channel();
    listener(answer);
    answered.recv().is_ok()
}

/// Reads a message to its final dot and gives its Message-ID.
fn message_id(reader: &mut impl BufRead) -> io::Result<String> {
    let mut id = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(id);
        }
        if id.is_empty()
            && let Some(value) = line.strip_prefix("Message-ID:")
        {
            value.trim().clone_into(&mut id);
        }
    }
}
