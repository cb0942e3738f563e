//! An act of which it is not known whether it was recorded: the command repeats it under one key.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use bishui_infra::event_log::sled::SledLog;
use serde_json::json;

use crate::office::Office;

/// Reads a request; gives its path, and its key if it has one.
fn asked(client: &TcpStream) -> (String, Option<String>) {
    let mut lines = BufReader::new(client);
    let (mut head, mut line) = (Vec::new(), String::new());
    while lines.read_line(&mut line).expect("a request") > 2 {
        head.push(line.trim().to_owned());
        line.clear();
    }
    let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let length = header("content-length:").map_or(0, |length| length.parse().expect("a number"));
    std::io::copy(&mut lines.by_ref().take(length), &mut std::io::sink()).expect("a body");
    let path = head[0].split(' ').nth(1).expect("a path").to_owned();
    (path, header("idempotency-key:"))
}

fn answer(mut client: &TcpStream, body: &serde_json::Value) {
    let body = body.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
    write!(client, "{head}: {}\r\n\r\n{body}", body.len()).expect("the command reads the answer");
}

#[test]
fn an_act_whose_answer_is_lost_is_repeated_under_its_key_and_its_receipt_shown() {
    let office = Office::open();
    // The store is in use, by a service that answers the second time.
    let _held = SledLog::open(office.data().join("store")).expect("no program has the store open");
    let service = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = service.local_addr().expect("it has an address");
    office.file("data/service.json", json!({ "address": address, "pid": 1, "token": "t" }).to_string());
    let serving = std::thread::spawn(move || {
        let (first, _) = service.accept().expect("a request");
        let lost = asked(&first);
        drop(first);
        let (second, _) = service.accept().expect("the request again");
        let again = asked(&second);
        let event = json!({ "position": 8, "type": "compensation.payment_received", "stream": "compensation/g" });
        answer(&second, &json!({ "position": 8, "events": [event], "duplicate": true, "followed": false }));
        drop(second);
        let (third, _) = service.accept().expect("a question");
        asked(&third);
        answer(&third, &json!([]));
        (lost, again)
    });
    let paid = office.run(["pay", "g", "1"]).exits(0).says(&["what follows from it is not yet"]);
    assert!(paid.out.contains("recorded at position 8"), "{paid:?}");
    let (lost, again) = serving.join().expect("the service answers");
    assert_eq!(lost.0, "/api/v1/acts");
    assert!(lost.1.is_some(), "the act has a key");
    assert_eq!(again, lost);
}
