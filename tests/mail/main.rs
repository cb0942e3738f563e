//! The mailers against servers that behave and servers that do not: what each recipient's outcome is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

mod chaos;
mod misbehaving;
mod real;
mod withdrawn;

use bishui_infra::mail::smtp::{Password, TlsMode};
use bishui_infra::mail::{Outcome, OutgoingMail, RecipientOutcome, SmtpSettings};
use jiff::SignedDuration;

/// A notice to `to`.
fn notice(to: &[&str]) -> OutgoingMail {
    OutgoingMail {
        message_id: "<0198-warning@bishui.liaocheng.example>".to_owned(),
        from: "聊城市河长办 <bishui@liaocheng.example>".to_owned(),
        to: to.iter().map(|&address| address.to_owned()).collect(),
        subject: "聊环预警〔2020〕3号:关于徒骇河高唐段水质超标的预警通报".to_owned(),
        text: "高唐县人民政府:\n.\n..两个点\n徒骇河前油坊断面2020年3月水质为Ⅴ类。\n".to_owned(),
        html: Some("<p>高唐县人民政府</p>".to_owned()),
        date: "2020-04-13T01:02:03Z".parse().unwrap(),
    }
}

/// Settings for a server without TLS on this machine.
fn settings(port: u16) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        tls: TlsMode::None,
        username: None,
        password: None,
        from: "bishui@liaocheng.example".to_owned(),
        hello_name: Some("bishui.example".to_owned()),
        timeout: SignedDuration::from_secs(20),
        final_timeout: SignedDuration::from_secs(20),
        ca_file: None,
    }
}

fn with_login(settings: SmtpSettings, name: &str, password: &str) -> SmtpSettings {
    SmtpSettings { username: Some(name.to_owned()), password: Some(Password::new(password)), ..settings }
}

fn outcome(address: &str, outcome: Outcome) -> RecipientOutcome {
    RecipientOutcome { address: address.to_owned(), outcome }
}

fn accepted(reply: &str) -> Outcome {
    Outcome::Accepted { reply: reply.to_owned() }
}

fn deferred(reply: &str) -> Outcome {
    Outcome::Deferred { reply: reply.to_owned() }
}

fn failed(reply: &str) -> Outcome {
    Outcome::Failed { reply: reply.to_owned() }
}

fn unknown(what: &str) -> Outcome {
    Outcome::Unknown { what: what.to_owned() }
}
