//! What stands in the directory after each attempt.

use super::*;

fn notice() -> OutgoingMail {
    OutgoingMail {
        message_id: "<0198/../w@bishui.example>".to_owned(),
        from: "bishui@liaocheng.example".to_owned(),
        to: vec!["office@gaotang.example".to_owned(), "water@gaotang.example".to_owned()],
        subject: "预警通报".to_owned(),
        text: "正文".to_owned(),
        html: None,
        date: "2020-04-13T01:02:03Z".parse().unwrap(),
    }
}

fn files(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn accepted(mail: &OutgoingMail, name: &str) -> Vec<RecipientOutcome> {
    let outcome = Outcome::Accepted { reply: format!("spooled as {name}") };
    mail.to.iter().map(|address| RecipientOutcome { address: address.clone(), outcome: outcome.clone() }).collect()
}

#[tokio::test]
async fn a_message_is_written_once_however_often_it_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let spool = SpoolMailer::open(directory.path().join("new")).unwrap();
    let mail = notice();
    let first = spool.send(&mail, &mail.to).await;
    let written = files(&spool.directory);
    let [(name, content)] = &written[..] else { panic!("{written:?}") };
    assert_eq!(first, accepted(&mail, name));
    assert!(name.starts_with("0198____w-") && name.len() == "0198____w-.eml".len() + 16, "{name}");
    let head = "X-Envelope-To: office@gaotang.example,\r\n water@gaotang.example\r\n";
    assert_eq!(*content, head.to_owned() + &String::from_utf8(mail.to_bytes().unwrap()).unwrap());

    fs::write(spool.directory.join(name), "kept").unwrap();
    let reversed: Vec<String> = mail.to.iter().rev().cloned().collect();
    let second = spool.send(&mail, &reversed).await;
    assert_eq!(second.iter().rev().cloned().collect::<Vec<_>>(), first);
    assert_eq!(files(&spool.directory), [(name.clone(), "kept".to_owned())]);
}

#[tokio::test]
async fn other_recipients_or_another_message_make_another_file() {
    let directory = tempfile::tempdir().unwrap();
    let spool = SpoolMailer::open(directory.path()).unwrap();
    let mail = notice();
    spool.send(&mail, &mail.to).await;
    spool.send(&mail, &mail.to[..1]).await;
    spool.send(&OutgoingMail { message_id: "<0198/../w@other.example>".to_owned(), ..mail.clone() }, &mail.to).await;
    assert_eq!(files(directory.path()).len(), 3);
}

#[tokio::test]
async fn a_file_left_half_written_by_a_crash_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let spool = SpoolMailer::open(directory.path()).unwrap();
    let mail = notice();
    let addresses: Vec<Address> = mail.to.iter().map(|to| to.parse().unwrap()).collect();
    let name = file_name(&mail.message_id, &addresses);
    fs::write(directory.path().join(format!("{name}.tmp")), "X-Envelope-To: half".repeat(1000)).unwrap();
    assert_eq!(spool.send(&mail, &mail.to).await, accepted(&mail, &name));
    let written = files(directory.path());
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(written[0].1.ends_with(&String::from_utf8(mail.to_bytes().unwrap()).unwrap()), "{written:?}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_defers_and_a_bad_address_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let spool = SpoolMailer::open(directory.path().join("gone")).unwrap();
    fs::remove_dir(&spool.directory).unwrap();
    let mail = OutgoingMail { to: vec!["nobody".to_owned(), "water@gaotang.example".to_owned()], ..notice() };
    let name = file_name(&mail.message_id, &["water@gaotang.example".parse().unwrap()]);
    let missing = io::Error::from_raw_os_error(2);
    assert_eq!(
        spool.send(&mail, &mail.to).await,
        [
            RecipientOutcome {
                address: "nobody".to_owned(),
                outcome: Outcome::Failed { reply: "\"nobody\" is not a mail address".to_owned() }
            },
            RecipientOutcome {
                address: "water@gaotang.example".to_owned(),
                outcome: Outcome::Deferred { reply: format!("cannot spool {name}: {missing}") }
            },
        ]
    );
}
