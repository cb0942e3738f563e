//! Messages read back by a parser that is not ours.

use mail_parser::{MessageParser, MimeHeaders};

use super::*;

fn notice() -> OutgoingMail {
    OutgoingMail {
        message_id: "<0198-warning@bishui.liaocheng.example>".to_owned(),
        from: "聊城市河长办(环境督察) <bishui@liaocheng.example>".to_owned(),
        to: vec!["office@gaotang.example".to_owned(), "\"高唐县, 水利局\" <water@gaotang.example>".to_owned()],
        subject: "聊环预警〔2020〕3号:关于徒骇河高唐段水质超标的预警通报,请于十五个工作日内提交整改报告".to_owned(),
        text: "高唐县人民政府:\n.\n徒骇河前油坊断面 2020年3月水质为Ⅴ类。\r\n".to_owned(),
        html: Some("<p>高唐县人民政府</p>".to_owned()),
        date: "2020-04-13T01:02:03.9Z".parse().unwrap(),
    }
}

#[test]
fn a_chinese_notice_is_read_back_whole() {
    let mail = notice();
    let bytes = mail.to_bytes().unwrap();
    let read = MessageParser::default().parse(&bytes).unwrap();

    assert_eq!(read.subject(), Some(mail.subject.as_str()));
    let addresses = |header: Option<&mail_parser::Address<'_>>| -> Vec<(Option<String>, Option<String>)> {
        header
            .unwrap()
            .iter()
            .map(|one| (one.name.as_deref().map(str::to_owned), one.address.as_deref().map(str::to_owned)))
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(addresses(read.from()), [(some("聊城市河长办(环境督察)"), some("bishui@liaocheng.example"))]);
    assert_eq!(
        addresses(read.to()),
        [(None, some("office@gaotang.example")), (some("高唐县, 水利局"), some("water@gaotang.example"))]
    );
    assert_eq!(read.message_id(), Some("0198-warning@bishui.liaocheng.example"));
    assert_eq!(read.date().unwrap().to_rfc3339(), "2020-04-13T01:02:03Z");
    assert_eq!(read.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!(read.header_raw("MIME-Version").map(str::trim), Some("1.0"));
    let text = read.body_text(0).unwrap();
    assert_eq!(text, "高唐县人民政府:\r\n.\r\n徒骇河前油坊断面 2020年3月水质为Ⅴ类。\r\n");
    assert_eq!(read.body_html(0).unwrap(), "<p>高唐县人民政府</p>");
    assert_eq!(read.content_type().unwrap().subtype(), Some("alternative"));
}

#[test]
fn equal_messages_are_equal_bytes_short_ascii_lines() {
    let many = |i: u32| format!("高唐县第{i}水利管理所 <office-{i}@water.gaotang.example>");
    let mails = [
        notice(),
        OutgoingMail { subject: "x".repeat(SUBJECT_BYTES_MAX), ..notice() },
        OutgoingMail { text: "水".repeat(5000) + &"x".repeat(5000), ..notice() },
        OutgoingMail { to: (0..200).map(many).collect(), ..notice() },
    ];
    for mail in mails {
        let bytes = mail.to_bytes().unwrap();
        assert_eq!(bytes, mail.clone().to_bytes().unwrap());
        assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes).unwrap();
        let longest = text.split("\r\n").map(str::len).max();
        assert!(longest <= Some(998), "{longest:?} in {text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "a bare line break in {text:?}");
        let read = MessageParser::default().parse(&text).unwrap();
        assert_eq!(read.subject(), Some(mail.subject.as_str()));
        assert_eq!(read.to().unwrap().iter().count(), mail.to.len());
    }
}

#[test]
fn a_message_without_html_is_one_part() {
    let bytes = OutgoingMail { html: None, text: "普通\n".to_owned(), ..notice() }.to_bytes().unwrap();
    let read = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!((read.parts.len(), read.body_text(0).as_deref()), (1, Some("普通\r\n")));
}

#[test]
fn no_field_can_carry_a_header_of_its_own() {
    for breaking in ["\r\nBcc: all@example.org", "\nBcc: all@example.org", "\rX", "\0", "\u{2028}Bcc: x"] {
        let subject = OutgoingMail { subject: format!("预警{breaking}"), ..notice() };
        assert_eq!(subject.to_bytes(), Err(MessageError::ControlCharacter { field: "the subject" }));
        let from = OutgoingMail { from: format!("河长办{breaking} <bishui@liaocheng.example>"), ..notice() };
        assert_eq!(from.to_bytes(), Err(MessageError::ControlCharacter { field: "the mail address" }));
        let to = OutgoingMail { to: vec![format!("water@gaotang.example{breaking}")], ..notice() };
        assert_eq!(to.to_bytes(), Err(MessageError::NoRecipient));
        let message_id = format!("<a@b{breaking}>");
        let id = OutgoingMail { message_id: message_id.clone(), ..notice() };
        assert_eq!(id.to_bytes(), Err(MessageError::MessageId { message_id }));
    }
}

#[test]
fn a_bad_address_does_not_keep_the_message_from_the_others() {
    let to = vec!["not an address".to_owned(), "water@gaotang.example".to_owned(), "a@b\r\nBcc: c@d".to_owned()];
    let bytes = OutgoingMail { to, ..notice() }.to_bytes().unwrap();
    let read = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(read.header_raw("To").map(str::trim), Some("water@gaotang.example"));
    assert_eq!(read.header_raw("Bcc"), None);
}

#[test]
fn what_is_not_a_mailbox_is_refused() {
    let long = "x".repeat(MAILBOX_BYTES_MAX) + " <a@b.cn>";
    for text in [
        "",
        "water",
        "water@",
        "@gaotang.example",
        "a@b, c@d",
        "a@b> c",
        "<a@b",
        "水利@gaotang.example",
        "a b@c",
        &long,
    ] {
        assert_eq!(mailbox(text), Err(MessageError::Address { mailbox: text.to_owned() }), "{text}");
    }
}

#[test]
fn the_limits_of_subject_date_and_message_id_are_kept() {
    let subject = OutgoingMail { subject: "水".repeat(301), ..notice() };
    assert_eq!(subject.to_bytes(), Err(MessageError::SubjectTooLong { bytes: 903 }));
    for date in [Timestamp::MIN, "1969-12-31T23:59:59Z".parse().unwrap(), Timestamp::MAX] {
        assert_eq!(OutgoingMail { date, ..notice() }.to_bytes(), Err(MessageError::Date { date }));
    }
    for id in ["a@b", "<a>", "<@b>", "<a@>", "<a@b@c>", "<a b@c>", "<水@b>", ""] {
        let message_id = id.to_owned();
        let mail = OutgoingMail { message_id: message_id.clone(), ..notice() };
        assert_eq!(mail.to_bytes(), Err(MessageError::MessageId { message_id }));
    }
}
