//! Servers that are down, slow, selective, rude or gone at the wrong moment.

use std::time::Duration;

use bishui_infra::mail::{Mailer, Outcome, OutgoingMail, REPLY_CHARS_MAX, SmtpMailer, SmtpSettings};
use jiff::SignedDuration;
use rstest::rstest;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::chaos::{Chaos, Step, on, opening, say, up_to_data};
use crate::{accepted, deferred, failed, notice, outcome, settings, unknown};

const WATER: &str = "water@gaotang.example";
const OFFICE: &str = "office@gaotang.example";

/// Settings with waits short enough for a test that runs into them.
fn impatient(port: u16) -> SmtpSettings {
    SmtpSettings {
        timeout: SignedDuration::from_millis(500),
        final_timeout: SignedDuration::from_millis(500),
        ..settings(port)
    }
}

/// The outcome of a notice to one recipient, from a server that follows `script`.
async fn one(script: Vec<Step>, settings: impl FnOnce(u16) -> SmtpSettings) -> (Outcome, Vec<Vec<String>>) {
    let server = Chaos::start(vec![script]).await;
    let mailer = SmtpMailer::new(&settings(server.port)).unwrap();
    let mail = notice(&[WATER]);
    let sent = timeout(Duration::from_secs(30), mailer.send(&mail, &mail.to)).await.expect("an outcome in time");
    let [sent] = <[_; 1]>::try_from(sent).unwrap();
    assert_eq!(sent.address, WATER);
    drop(mailer);
    (sent.outcome, server.heard().await)
}

#[tokio::test]
async fn a_server_that_is_down_defers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    let mail = notice(&[WATER, OFFICE]);
    let sent = SmtpMailer::new(&settings(address.port())).unwrap().send(&mail, &mail.to).await;
    let down = deferred(&format!("cannot connect: {refused}"));
    assert_eq!(sent, [outcome(WATER, down.clone()), outcome(OFFICE, down)]);
}

#[rstest]
#[case::greeting(vec![Step::Silence], deferred("no reply at the greeting within 500ms"))]
#[case::hello(vec![say("220 chaos"), Step::Silence], deferred("no reply at the greeting within 500ms"))]
#[case::sender(
    [vec![say("220 chaos")], on("EHLO", "250 chaos"), vec![Step::Silence]].concat(),
    deferred("no reply at MAIL FROM within 500ms")
)]
#[case::recipient([opening(), vec![Step::Silence]].concat(), deferred("no reply at RCPT TO within 500ms"))]
#[case::data(
    [opening(), on("RCPT TO", "250 ok"), vec![Step::Silence]].concat(),
    deferred("no reply at DATA within 500ms")
)]
#[case::after_the_dot(
    [up_to_data(), vec![Step::HearMessage, Step::Silence]].concat(),
    unknown("no reply after the message: waited long enough")
)]
#[tokio::test]
async fn a_silent_server_defers_until_the_dot_and_leaves_unknown_after_it(
    #[case] script: Vec<Step>,
    #[case] expected: Outcome,
) {
    assert_eq!(one(script, impatient).await.0, expected);
}

#[tokio::test]
async fn a_silent_goodbye_does_not_change_the_outcome() {
    let script = [up_to_data(), vec![Step::HearMessage, say("250 queued"), Step::Silence]].concat();
    assert_eq!(one(script, impatient).await.0, accepted("250 queued"));
    let closed = [up_to_data(), vec![Step::HearMessage, say("250 queued")]].concat();
    assert_eq!(one(closed, settings).await.0, accepted("250 queued"));
    let refused = [up_to_data(), vec![Step::HearMessage, say("250 queued")], on("QUIT", "421 no")].concat();
    assert_eq!(one(refused, settings).await.0, accepted("250 queued"));
}

#[tokio::test]
async fn a_slow_reply_to_the_message_is_waited_for_longer_than_any_other() {
    let patient_at_the_end = |port| SmtpSettings { final_timeout: SignedDuration::from_secs(20), ..impatient(port) };
    let late = [Step::HearMessage, Step::HearNothingFor(Duration::from_millis(800)), say("250 queued late")];
    assert_eq!(one([up_to_data(), late.to_vec()].concat(), patient_at_the_end).await.0, accepted("250 queued late"));
}

#[tokio::test]
async fn a_greylisting_server_takes_the_second_attempt_with_the_same_bytes() {
    let first = [opening(), on("RCPT TO", "451 4.7.1 greylisted, try again later"), on("QUIT", "221 bye")].concat();
    let taken = |answer| [up_to_data(), vec![Step::HearMessage, say(answer)], on("QUIT", "221 bye")].concat();
    let server = Chaos::start(vec![first, taken("250 queued"), taken("250 queued")]).await;
    let mailer = SmtpMailer::new(&settings(server.port)).unwrap();
    let mail = notice(&[WATER]);
    let greylisted = deferred("451 4.7.1 greylisted, try again later (at RCPT TO)");
    assert_eq!(mailer.send(&mail, &mail.to).await, [outcome(WATER, greylisted)]);
    for _ in 0..2 {
        assert_eq!(mailer.send(&mail, &mail.to).await, [outcome(WATER, accepted("250 queued"))]);
    }
    let heard = server.heard().await;
    assert_eq!(
        heard[0],
        ["EHLO bishui.example", "MAIL FROM:<bishui@liaocheng.example>", "RCPT TO:<water@gaotang.example>", "QUIT"]
    );
    assert_eq!(heard[1], heard[2]);
    assert_eq!(heard[1][4], String::from_utf8(mail.to_bytes().unwrap()).unwrap() + ".\r\n");
}

#[tokio::test]
async fn one_refused_recipient_does_not_stop_the_others() {
    let script = [
        opening(),
        on("RCPT TO:<nobody@", "550 5.1.1 no such user"),
        on("RCPT TO:<water@", "250 ok"),
        on("RCPT TO:<later@", "452 4.2.2 mailbox full"),
        on("RCPT TO:<office@", "251 forwarded"),
        on("DATA", "354 go on"),
        vec![Step::HearMessage, say("250-2.0.0 taken"), say("250 2.0.0 queued as 7")],
        on("QUIT", "221 bye"),
    ]
    .concat();
    let server = Chaos::start(vec![script]).await;
    let mailer = SmtpMailer::new(&settings(server.port)).unwrap();
    let mail = notice(&["nobody@a.cn", "not an address", "高唐 <water@a.cn>", "later@a.cn", "office@a.cn"]);
    assert_eq!(
        mailer.send(&mail, &mail.to).await,
        [
            outcome("nobody@a.cn", failed("550 5.1.1 no such user (at RCPT TO)")),
            outcome("not an address", failed("\"not an address\" is not a mail address")),
            outcome("高唐 <water@a.cn>", accepted("250 2.0.0 taken 2.0.0 queued as 7")),
            outcome("later@a.cn", deferred("452 4.2.2 mailbox full (at RCPT TO)")),
            outcome("office@a.cn", accepted("250 2.0.0 taken 2.0.0 queued as 7")),
        ]
    );
    assert_eq!(server.heard().await[0].last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn a_session_broken_after_a_refusal_keeps_the_refusal_and_defers_the_rest() {
    let script = [opening(), on("RCPT TO", "550 no"), on("RCPT TO", "250 ok"), vec![Step::Hear("RCPT TO")]].concat();
    let server = Chaos::start(vec![script]).await;
    let mailer = SmtpMailer::new(&settings(server.port)).unwrap();
    let mail = notice(&["nobody@a.cn", "water@a.cn", "office@a.cn"]);
    let broken = deferred("session broken at RCPT TO: response error: incomplete response");
    assert_eq!(
        mailer.send(&mail, &mail.to).await,
        [
            outcome("nobody@a.cn", failed("550 no (at RCPT TO)")),
            outcome("water@a.cn", broken.clone()),
            outcome("office@a.cn", broken),
        ]
    );
}

#[rstest]
#[case::greeting(vec![say("554 no service here")], deferred("554 no service here (at the greeting)"))]
#[case::hello([vec![say("220 chaos")], on("EHLO", "550 go away")].concat(), deferred("550 go away (at the greeting)"))]
#[case::sender_for_now(
    [vec![say("220 chaos")], on("EHLO", "250 chaos"), on("MAIL FROM", "421 too busy")].concat(),
    deferred("421 too busy (at MAIL FROM)")
)]
#[case::sender_for_good(
    [vec![say("220 chaos")], on("EHLO", "250 chaos"), on("MAIL FROM", "553 not yours"), on("QUIT", "221 bye")].concat(),
    failed("553 not yours (at MAIL FROM)")
)]
#[case::data([opening(), on("RCPT TO", "250 ok"), on("DATA", "554 no")].concat(), failed("554 no (at DATA)"))]
#[case::message_for_good(
    [up_to_data(), vec![Step::HearMessage, say("554 5.7.1 spam")], on("QUIT", "221 bye")].concat(),
    failed("554 5.7.1 spam (at the end of DATA)")
)]
#[case::message_for_now(
    [up_to_data(), vec![Step::HearMessage, say("452 disk full")]].concat(),
    deferred("452 disk full (at the end of DATA)")
)]
#[case::chinese_in_gbk(
    [opening(), vec![Step::Hear("RCPT TO"), Step::Say(b"550 \xd3\xc3\xbb\xa7\xb2\xbb\xb4\xe6\xd4\xda\r\n".to_vec())]].concat(),
    failed("550 ?????????? (at RCPT TO)")
)]
#[tokio::test]
async fn a_refusal_is_final_or_not_by_its_code_and_place(#[case] script: Vec<Step>, #[case] expected: Outcome) {
    assert_eq!(one(script, settings).await.0, expected);
}

#[rstest]
#[case::closed([up_to_data(), vec![Step::HearMessage]].concat(), "response error: incomplete response")]
#[case::cut_short(
    [up_to_data(), vec![Step::HearMessage, Step::Say(b"250 que".to_vec())]].concat(),
    "response error: incomplete response"
)]
#[case::out_of_step([up_to_data(), vec![Step::HearMessage, say("354 go on")]].concat(), "unexpected 354 go on")]
#[tokio::test]
async fn no_clear_reply_after_the_dot_leaves_unknown(#[case] script: Vec<Step>, #[case] what: &str) {
    assert_eq!(one(script, settings).await.0, unknown(&format!("no reply after the message: {what}")));
}

#[tokio::test]
async fn garbage_after_the_dot_leaves_unknown_and_before_it_defers() {
    let after = [up_to_data(), vec![Step::HearMessage, say("hello?")]].concat();
    let Outcome::Unknown { what } = one(after, settings).await.0 else { panic!("not unknown") };
    assert!(what.starts_with("no reply after the message: response error"), "{what}");
    let before = [opening(), on("RCPT TO", "hello?")].concat();
    let Outcome::Deferred { reply } = one(before, settings).await.0 else { panic!("not deferred") };
    assert!(reply.starts_with("session broken at RCPT TO: response error"), "{reply}");
}

#[tokio::test]
async fn a_reply_out_of_step_never_counts_as_acceptance() {
    let script = [opening(), vec![Step::Hear("RCPT TO"), say("250 ok"), say("250 again")], vec![Step::Hear("DATA")]];
    assert_eq!(one(script.concat(), settings).await.0, deferred("unexpected reply at DATA: 250 again"));
}

#[tokio::test]
async fn a_connection_closed_before_the_dot_defers() {
    // More than the two ends of a connection can hold, so that the dot cannot have been written.
    let server = Chaos::start(vec![[up_to_data(), vec![Step::HearBytes(1000)]].concat()]).await;
    let mailer = SmtpMailer::new(&settings(server.port)).unwrap();
    let mail = OutgoingMail { text: "水".repeat(4 << 20), ..notice(&[WATER]) };
    let sent = mailer.send(&mail, &mail.to).await;
    let Outcome::Deferred { reply } = &sent[0].outcome else { panic!("{sent:?}") };
    assert!(reply.starts_with("session broken at DATA: network error"), "{reply}");
}

#[tokio::test]
async fn a_server_that_stops_reading_before_the_dot_defers() {
    let server = Chaos::start(vec![[up_to_data(), vec![Step::Idle]].concat()]).await;
    let mailer = SmtpMailer::new(&impatient(server.port)).unwrap();
    let mail = OutgoingMail { text: "水".repeat(4 << 20), ..notice(&[WATER]) };
    let sent = mailer.send(&mail, &mail.to).await;
    assert_eq!(sent, [outcome(WATER, deferred("no reply at DATA within 500ms"))]);
}

#[rstest]
#[case::line_without_end(b"250 x".to_vec(), "network error: the server sends without end")]
#[case::lines_without_end(b"250-and more\r\n".to_vec(), "response error: SMTP response too large")]
#[tokio::test]
async fn a_flood_is_cut_off(#[case] flood: Vec<u8>, #[case] why: &str) {
    let script = [opening(), vec![Step::Hear("RCPT TO"), Step::Flood(flood)]].concat();
    assert_eq!(one(script, settings).await.0, deferred(&format!("session broken at RCPT TO: {why}")));
}

#[tokio::test]
async fn a_long_reply_is_shortened() {
    let script = [opening(), on("RCPT TO", &format!("550 {}", "x".repeat(900)))].concat();
    assert_eq!(one(script, settings).await.0, failed(&format!("550 {}", "x".repeat(REPLY_CHARS_MAX - 4))));
    let too_long = [opening(), on("RCPT TO", &format!("550 {}", "x".repeat(5000)))].concat();
    let why = "session broken at RCPT TO: response error: SMTP response line too long";
    assert_eq!(one(too_long, settings).await.0, deferred(why));
}
