//! A mail server of another make, in its own process: what it receives is what was decided.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use bishui_infra::mail::smtp::TlsMode;
use bishui_infra::mail::{Mailer, Outcome, SmtpMailer, SmtpSettings};
use bishui_tests::certificates::Certificates;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{accepted, deferred, failed, notice, outcome, settings, with_login};

/// The server in `server.py`, ended when this is dropped.
struct RealServer {
    process: Child,
    says: BufReader<ChildStdout>,
    port: u16,
}

impl RealServer {
    fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mail/server.py");
        let mut process = Command::new(python())
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, says, port: 0 };
        server.port = serde_json::from_value(server.next()["port"].take()).unwrap();
        server
    }

    /// A server with a certificate.
    fn encrypted(certificates: &Certificates, tls: &str, more: &[&str]) -> Self {
        let path = |file| certificates.path(file).to_str().unwrap().to_owned();
        let (certificate, key) = (path("certificate.pem"), path("key.pem"));
        Self::start(&[&["--tls", tls, "--certificate", &certificate, "--key", &key], more].concat())
    }

    /// The next thing the server says.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the mail server said {line:?}: {error}"))
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().expect("the mail server ends with its input");
    }
}

/// The interpreter that has the mail server; a test without it fails.
fn python() -> PathBuf {
    let python = std::env::var_os("BISHUI_TEST_PYTHON").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-python").join("bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "there is no {}: run the tests with `tests/run` as the README says, which prepares it, \
         or set BISHUI_TEST_PYTHON to a Python with aiosmtpd 1.4.6",
        python.display()
    );
    python
}

/// Settings for a server with such a certificate, trusting its authority only.
fn trusting(certificates: &Certificates, port: u16, tls: TlsMode) -> SmtpSettings {
    SmtpSettings { tls, ca_file: Some(certificates.path("ca.pem")), ..settings(port) }
}

#[tokio::test]
async fn a_chinese_notice_arrives_whole() {
    let mut server = RealServer::start(&[]);
    let mailer = SmtpMailer::new(&settings(server.port)).unwrap();
    let mail = notice(&["高唐县, 水利局(河长办) <water@gaotang.example>", "nobody@a.cn", "later@a.cn", "office@a.cn"]);
    assert_eq!(
        mailer.send(&mail, &mail.to).await,
        [
            outcome(&mail.to[0], accepted("250 2.0.0 queued as 1")),
            outcome("nobody@a.cn", failed("550 5.1.1 no such user (at RCPT TO)")),
            outcome("later@a.cn", deferred("451 4.7.1 greylisted (at RCPT TO)")),
            outcome("office@a.cn", accepted("250 2.0.0 queued as 1")),
        ]
    );
    let mut received = server.next();
    let content = received["content"].take();
    let expected = json!({
        "sender": "bishui@liaocheng.example",
        "recipients": ["water@gaotang.example", "office@a.cn"],
        "user": "",
        "encrypted": false,
        "headers": {
            "message-id": mail.message_id,
            "date": "Mon, 13 Apr 2020 01:02:03 +0000",
            "from": mail.from,
            "to": "\"高唐县, 水利局(河长办)\" <water@gaotang.example>, nobody@a.cn, later@a.cn, office@a.cn",
            "subject": mail.subject,
            "auto-submitted": "auto-generated",
            "mime-version": "1.0",
            "content-type": received["headers"]["content-type"],
        },
        "parts": { "text/plain": mail.text.replace('\n', "\r\n"), "text/html": "<p>高唐县人民政府</p>" },
        "content": null,
    });
    assert_eq!(received, expected);
    // Sent again, the message has the same bytes.
    mailer.send(&mail, &mail.to[..1]).await;
    assert_eq!(server.next()["content"], content);
}

#[rstest]
#[case::starttls("starttls", TlsMode::StartTls, "STARTTLS")]
#[case::tls("tls", TlsMode::Tls, "TLS")]
#[tokio::test]
async fn a_message_goes_encrypted_and_with_login(#[case] offered: &str, #[case] tls: TlsMode, #[case] shown: &str) {
    let certificates = Certificates::new("127.0.0.1");
    let mut server = RealServer::encrypted(&certificates, offered, &["--login", "bishui:密码"]);
    let plain = trusting(&certificates, server.port, tls);
    let mailer = SmtpMailer::new(&with_login(plain, "bishui", "密码")).unwrap();
    assert_eq!(mailer.describe(), format!("SMTP server 127.0.0.1:{} ({shown})", server.port));
    let mail = notice(&["water@gaotang.example"]);
    assert_eq!(
        mailer.send(&mail, &mail.to).await,
        [outcome("water@gaotang.example", accepted("250 2.0.0 queued as 1"))]
    );
    let received = server.next();
    assert_eq!((&received["user"], &received["encrypted"]), (&json!("bishui"), &json!(true)));
    assert_eq!(received["headers"]["subject"], json!(mail.subject));
}

#[rstest]
#[case::starttls("starttls", TlsMode::StartTls)]
#[case::tls("tls", TlsMode::Tls)]
#[tokio::test]
async fn a_wrong_password_defers_and_is_not_shown(#[case] offered: &str, #[case] tls: TlsMode) {
    let certificates = Certificates::new("127.0.0.1");
    let server = RealServer::encrypted(&certificates, offered, &["--login", "bishui:right"]);
    let plain = trusting(&certificates, server.port, tls);
    let mailer = SmtpMailer::new(&with_login(plain, "bishui", "wrong")).unwrap();
    let mail = notice(&["water@gaotang.example"]);
    let refused = deferred("535 5.7.8 Authentication credentials invalid (at AUTH)");
    assert_eq!(mailer.send(&mail, &mail.to).await, [outcome("water@gaotang.example", refused)]);
}

#[rstest]
#[case::starttls("starttls", TlsMode::StartTls, "STARTTLS")]
#[case::tls("tls", TlsMode::Tls, "connecting")]
#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_nothing(
    #[case] offered: &str,
    #[case] tls: TlsMode,
    #[case] phase: &str,
) {
    let (ours, others) = (Certificates::new("127.0.0.1"), Certificates::new("mail.other.example"));
    let wrong_name = RealServer::encrypted(&others, offered, &[]);
    let wrong_authority = RealServer::encrypted(&ours, offered, &[]);
    let public = SmtpSettings { ca_file: None, ..trusting(&ours, wrong_authority.port, tls) };
    for settings in [trusting(&others, wrong_name.port, tls), trusting(&others, wrong_authority.port, tls), public] {
        let mail = notice(&["water@gaotang.example"]);
        let sent = SmtpMailer::new(&settings).unwrap().send(&mail, &mail.to).await;
        let Outcome::Deferred { reply } = &sent[0].outcome else { panic!("{sent:?}") };
        assert!(reply.starts_with(&format!("session broken at {phase}: ")), "{reply}");
        assert!(reply.contains("invalid peer certificate"), "{reply}");
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing_where_it_is_required() {
    let certificates = Certificates::new("127.0.0.1");
    let server = RealServer::start(&[]);
    let mailer = SmtpMailer::new(&trusting(&certificates, server.port, TlsMode::StartTls)).unwrap();
    let mail = notice(&["water@gaotang.example"]);
    let refused = deferred("the server does not offer STARTTLS, which is required");
    assert_eq!(mailer.send(&mail, &mail.to).await, [outcome("water@gaotang.example", refused)]);
}
