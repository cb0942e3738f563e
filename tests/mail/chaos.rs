//! An SMTP server that follows a script, word by word, and tells what it heard.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What the server does next in a connection.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Says these bytes.
    Say(Vec<u8>),
    /// Reads one line, which begins with this.
    Hear(&'static str),
    /// Reads a message to its final dot.
    HearMessage,
    /// Reads this many bytes and nothing more.
    HearBytes(usize),
    /// Says these bytes until the client goes away.
    Flood(Vec<u8>),
    /// Says and hears nothing for so long.
    HearNothingFor(Duration),
    /// Says nothing more until the client goes away.
    Silence,
    /// Says and reads nothing more, however long.
    Idle,
}

/// Says `text` as one line.
pub(crate) fn say(text: &str) -> Step {
    Step::Say(format!("{text}\r\n").into_bytes())
}

/// Hears a line that begins with `command` and answers it.
pub(crate) fn on(command: &'static str, answer: &str) -> Vec<Step> {
    vec![Step::Hear(command), say(answer)]
}

/// The beginning of a session, up to MAIL FROM taken.
pub(crate) fn opening() -> Vec<Step> {
    [vec![say("220 chaos")], on("EHLO", "250 chaos"), on("MAIL FROM", "250 sender ok")].concat()
}

/// A session with one recipient taken and the message awaited.
pub(crate) fn up_to_data() -> Vec<Step> {
    [opening(), on("RCPT TO", "250 recipient ok"), on("DATA", "354 go on")].concat()
}

/// A server for as many connections as it has scripts.
pub(crate) struct Chaos {
    pub(crate) port: u16,
    serving: JoinHandle<Vec<Vec<String>>>,
}

impl Chaos {
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut heard = Vec::new();
            for script in scripts {
                let (stream, _) = listener.accept().await.unwrap();
                heard.push(follow(script, stream).await);
            }
            heard
        });
        Self { port, serving }
    }

    /// What each connection heard, line by line, messages whole; after the last script is played.
    pub(crate) async fn heard(self) -> Vec<Vec<String>> {
        self.serving.await.unwrap()
    }
}

async fn follow(script: Vec<Step>, stream: TcpStream) -> Vec<String> {
    let mut stream = BufReader::new(stream);
    let mut heard = Vec::new();
    for step in script {
        match step {
            Step::Say(bytes) => stream.write_all(&bytes).await.unwrap(),
            Step::Hear(beginning) => {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                assert!(line.starts_with(beginning), "heard {line:?} instead of {beginning:?} after {heard:?}");
                heard.push(line.trim_end().to_owned());
            }
            Step::HearMessage => heard.push(message(&mut stream).await),
            Step::HearBytes(count) => {
                let mut bytes = vec![0; count];
                stream.read_exact(&mut bytes).await.unwrap();
            }
            Step::Flood(bytes) => while stream.write_all(&bytes).await.is_ok() {},
            Step::HearNothingFor(duration) => {
                assert!(timeout(duration, stream.fill_buf()).await.is_err(), "heard something after {heard:?}");
            }
            Step::Idle => std::future::pending().await,
            Step::Silence => {
                // Ends with the connection, in order or not.
                drop(stream.read_to_end(&mut Vec::new()).await);
            }
        }
    }
    heard
}

async fn message(stream: &mut BufReader<TcpStream>) -> String {
    let mut content = String::new();
    while !content.ends_with("\r\n.\r\n") {
        assert_ne!(stream.read_line(&mut content).await.unwrap(), 0, "no final dot: {content:?}");
    }
    content
}
