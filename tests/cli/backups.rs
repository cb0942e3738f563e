//! Backup, export, restore and attachments on the command line, with and without a service on the store.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use bishui::http::ServiceFile;
use serde_json::{Value, json};

use crate::office::{Office, month, run};

/// A running service; it ends with this value.
struct Service(Child);

impl Service {
    fn start(office: &Office) -> Self {
        let mut command = office.command(["serve", "--listen", "127.0.0.1:0"]);
        let started = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let service = Self(started.expect("the program starts"));
        for _ in 0..4_000 {
            if ServiceFile::read(&office.data()).expect("the file can be read").is_some() {
                return service;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("the service did not start");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("the service ends");
    }
}

/// Restores into another data directory.
fn restore(office: &Office, name: &str, args: &[&str]) -> crate::office::Ran {
    let mut command = crate::office::program();
    command.arg("--data").arg(office.path(name)).args(["restore", "--json"]).args(args);
    run(&mut command)
}

/// All events of a data directory.
fn events(data: &Path) -> Value {
    let mut command = crate::office::program();
    run(command.arg("--data").arg(data).args(["events", "--limit", "1000", "--json"])).exits(0).json()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The first file of events of a backup.
fn part(backup: &Path) -> PathBuf {
    backup.join("events/00000000000000000001.ndjson")
}

#[test]
fn an_office_is_backed_up_in_steps_and_restored_as_it_was() {
    let office = Office::published();
    let backup = office.path("backup");
    let first = office.ask(["backup", text(&backup)]);
    assert_eq!((&first["events"], &first["events_added"]), (&json!(office.head()), &json!(office.head())));
    office.run(["pay", "g", "50000000"]).exits(0);
    office.run(["notices", "approve", "--all"]).exits(0);
    let second = office.ask(["backup", text(&backup)]);
    assert_eq!(second["events_added"], json!(office.head() - first["events"].as_u64().unwrap()));
    let verified = office.ask(["backup", "verify", text(&backup)]);
    assert_eq!((&verified["sound"], &verified["root"]), (&json!(true), &second["root"]));
    let restored = restore(&office, "restored", &[text(&backup)]).exits(0).json();
    assert_eq!((&restored["root"], &restored["replay"]["differing"]), (&second["root"], &json!(0)));
    let data = office.path("restored");
    assert_eq!(events(&data), events(&office.data()));
    for command in [&["status"][..], &["doctor"], &["replay"], &["pay", "g", "1"]] {
        run(crate::office::program().arg("--data").arg(&data).args(command)).exits(0);
    }
    assert!(data.join("bishui.toml").is_file(), "settings to fill in");
    let mut names: Vec<_> = std::fs::read_dir(&backup).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["checkpoints", "events", "lock", "manifest.json"], "no settings, no tokens, no mail, no key");
}

#[test]
fn a_backup_is_taken_through_the_service_that_has_the_store() {
    let office = Office::published();
    let (backup, export) = (office.path("backup"), office.path("export"));
    office.ask(["backup", text(&backup)]);
    let service = Service::start(&office);
    office.run(["pay", "g", "50000000"]).exits(0);
    let written = office.ask(["backup", text(&backup)]);
    assert!(written["events_added"].as_u64().unwrap() > 0, "{written}");
    assert_eq!(office.ask(["backup", text(&backup)])["events_added"], 0);
    assert_eq!(office.ask(["export", text(&export)])["root"], written["root"]);
    drop(service);
    std::fs::remove_file(office.data().join("service.json")).unwrap();
    assert_eq!(office.ask(["backup", text(&backup)])["events_added"], 0, "the store has what the service told");
    office.ask(["backup", "verify", text(&export)]);
}

#[test]
fn a_restore_ends_at_a_position_or_an_instant() {
    let office = Office::published();
    let backup = office.path("backup");
    office.ask(["export", text(&backup)]);
    let all = events(&office.data());
    let all = all["events"].as_array().unwrap();
    let restored = restore(&office, "position", &[text(&backup), "--until", "4"]).exits(0).json();
    let ends = restored["events"].as_u64().unwrap();
    assert!(ends <= 4, "{restored}");
    let prefix = usize::try_from(ends).unwrap();
    assert_eq!(events(&office.path("position"))["events"].as_array().unwrap()[..], all[..prefix]);
    let time = all.last().unwrap()["recorded_at"].as_str().unwrap();
    let restored = restore(&office, "time", &[text(&backup), "--until", time]).exits(0).json();
    assert_eq!(restored["events"], json!(all.len()));
    restore(&office, "beyond", &[text(&backup), "--until", "9999"]).exits(4).says(&["ends with position"]);
    restore(&office, "nonsense", &[text(&backup), "--until", "soon"]).exits(4).says(&["`soon`"]);
}

#[test]
fn a_restore_that_is_killed_leaves_no_store_and_is_repeated() {
    let office = Office::published();
    let backup = office.path("backup");
    office.ask(["export", text(&backup)]);
    let (whole, data) = (events(&office.data()), office.path("restored"));
    let aside = || -> Vec<_> {
        let entries = std::fs::read_dir(&data).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with("restoring-")).collect()
    };
    let (mut killed, mut left) = (0, vec![]);
    for looks in 0..12 {
        let mut command = crate::office::program();
        command.arg("--data").arg(&data).args(["restore", text(&backup)]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Later from round to round: while the store is made, filled, read back, replayed.
        let is_begun = || aside().iter().any(|name| !left.contains(name));
        while !is_begun() && child.try_wait().unwrap().is_none() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        for _ in 0..looks * 8 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if data.join("store").exists() {
            break;
        }
        (killed, left) = (killed + 1, aside());
        assert!(left.len() <= 1, "what earlier restores have left is removed: {left:?}");
    }
    assert!(killed > 0, "no kill fell into a restore");
    if !data.join("store").exists() {
        restore(&office, "restored", &[text(&backup)]).exits(0);
    }
    assert_eq!(aside(), [""; 0], "nothing is left beside it");
    assert_eq!(events(&data), whole, "a store is there only when it is whole");
}

/// The Message-IDs in the spool of a data directory.
fn message_ids(data: &Path) -> Vec<String> {
    let files = std::fs::read_dir(data.join("outbox")).expect("a spool");
    let mail = files.map(|file| std::fs::read_to_string(file.expect("an entry").path()).expect("a mail"));
    let mut ids: Vec<_> =
        mail.filter_map(|mail| mail.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned)).collect();
    ids.sort();
    ids
}

#[test]
fn mail_that_waited_at_the_end_of_a_backup_is_sent_from_the_restored_store() {
    let office = Office::published();
    office.run(["notices", "approve", "--all"]).exits(0);
    let backup = office.path("backup");
    office.ask(["export", text(&backup)]);
    let all = events(&office.data());
    let of = |kind: &'static str| {
        let of_kind = all["events"].as_array().unwrap().iter().filter(move |event| event["type"] == kind);
        of_kind.map(|event| event["position"].to_string())
    };
    let queued = of("mail.mail_queued").next().expect("a mail was queued");
    let sent = of("mail.attempt_started").next().expect("a mail was sent");
    assert!(queued.parse::<u64>().unwrap() < sent.parse::<u64>().unwrap());
    let data = office.path("earlier");
    restore(&office, "earlier", &[text(&backup), "--until", &queued]).exits(0);
    let command = |args: &[&str]| run(crate::office::program().arg("--data").arg(&data).args(args)).exits(0);
    command(&["pay", "g", "1"]);
    let earlier = message_ids(&data);
    assert_eq!(earlier.len(), 1, "{earlier:?}");
    assert!(message_ids(&office.data()).contains(&earlier[0]), "under its old Message-ID");
}

#[test]
fn a_damaged_backup_is_refused_by_name_and_leaves_no_store() {
    let office = Office::published();
    let backup = office.path("backup");
    office.ask(["backup", text(&backup)]);
    let content = std::fs::read_to_string(part(&backup)).unwrap();
    std::fs::write(part(&backup), content.replacen("高唐县", "高塘县", 1)).unwrap();
    let words = ["damaged", "00000000000000000001.ndjson, line 1", "event 1"];
    office.run(["backup", "verify", text(&backup)]).exits(3).says(&words);
    restore(&office, "restored", &[text(&backup)]).exits(3).says(&words);
    let left: Vec<_> = std::fs::read_dir(office.path("restored")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_cannot_be_backed_up_or_restored_is_refused() {
    let office = Office::published();
    let backup = office.path("backup");
    office.ask(["backup", text(&backup)]);
    office.run(["export", text(&backup)]).exits(4).says(&["holds a backup already"]);
    office.run(["backup", "verify", text(&office.path("nowhere"))]).exits(4).says(&["holds no backup"]);
    office.run(["restore", text(&backup)]).exits(4).says(&["exists; restore into another data directory"]);
    let other = Office::published();
    other.run(["backup", text(&backup)]).exits(3).says(&["does not have at position"]);
    other.run(["backup"]).exits(2);
    other.run(["backup", text(&other.data())]).exits(4).says(&["is not empty and holds no backup"]);
    office.ask(["backup", "verify", text(&backup)]);
}

/// An office with a warning notice that was sent, and its id.
fn with_a_notice_sent() -> (Office, String) {
    let office = Office::published();
    office.run(["notices", "approve", "--all"]).exits(0);
    let notices = office.ask(["notices", "list"]);
    let sent =
        notices.as_array().expect("a list").iter().find(|notice| notice["state"] == "sent").expect("one was sent");
    let id = sent["id"].as_str().expect("an id").to_owned();
    (office, id)
}

#[test]
fn the_files_of_a_report_are_kept_shown_backed_up_and_examined() {
    let (office, id) = with_a_notice_sent();
    let report = office.file("整改报告.pdf", "%PDF-1.7 整改");
    let photo = office.file("before.jpg", [0xff, 0xd8, 0xff, 0x00]);
    let answer = ["notices", "answer", &id, "--summary", "outfall closed", "--attach", text(&report), "--attach"];
    office.run(answer.iter().copied().chain([text(&photo)])).exits(0);
    let shown = office.ask(["notices", "show", &id]);
    let attachments = &shown["reports"][0]["attachments"];
    assert_eq!((&attachments[0]["name"], &attachments[0]["bytes"]), (&json!("整改报告.pdf"), &json!(15)));
    assert_eq!(attachments[0]["media_type"], "application/pdf");
    assert_eq!(attachments[1]["media_type"], "image/jpeg");
    let sha256 = attachments[0]["sha256"].as_str().unwrap();
    let copy = office.path("copy.pdf");
    office.run(["notices", "attachment", sha256, text(&copy)]).exits(0);
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&report).unwrap());
    office.run(["notices", "attachment", sha256, text(&copy)]).exits(4);

    let backup = office.path("backup");
    assert_eq!(office.ask(["backup", text(&backup)])["attachments"], 2);
    assert_eq!(restore(&office, "restored", &[text(&backup)]).exits(0).json()["attachments"], 2);
    let kept = |data: &Path| data.join("attachments").join(&sha256[..2]).join(&sha256[2..]);
    assert_eq!(std::fs::read(kept(&office.path("restored"))).unwrap(), std::fs::read(&report).unwrap());

    assert_eq!(office.ask(["doctor"])["attachments"], 2);
    std::fs::write(kept(&office.data()), "别的").unwrap();
    let examined = run(&mut office.command(["doctor", "--json"])).exits(3).json();
    assert!(examined["faults"][0].as_str().unwrap().contains("整改报告.pdf"), "{examined}");
    std::fs::remove_file(kept(&office.data())).unwrap();
    let examined = run(&mut office.command(["doctor", "--json"])).exits(3).json();
    assert!(examined["faults"][0].as_str().unwrap().contains("is missing"), "{examined}");
    assert_eq!(examined["sound"], false);
    // A directory stands in the place of the file, which cannot be read, and another file is not what it was.
    std::fs::create_dir(kept(&office.data())).unwrap();
    let stray = office.data().join("attachments/00").join("0".repeat(62));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, "别的").unwrap();
    let examined = run(&mut office.command(["doctor", "--json"])).exits(3).json();
    let faults: Vec<&str> = examined["faults"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(faults[0].contains("整改报告.pdf") && faults[0].ends_with("Is a directory (os error 21)"), "{examined}");
    assert!(faults.len() == 2 && faults[1].contains("no event names it"), "{examined}");
}

#[test]
fn lost_attachments_are_named_by_backup_and_restore_and_the_rest_is_kept() {
    let (office, id) = with_a_notice_sent();
    let (report, photo) = (office.file("整改报告.pdf", "%PDF-1.7 整改"), office.file("before.jpg", "photo"));
    office
        .run(["notices", "answer", &id, "--summary", "s", "--attach", text(&report), "--attach", text(&photo)])
        .exits(0);
    let shown = office.ask(["notices", "show", &id]);
    let sha256 = shown["reports"][0]["attachments"][0]["sha256"].as_str().unwrap();
    let kept = office.data().join("attachments").join(&sha256[..2]).join(&sha256[2..]);
    std::fs::write(&kept, "别的").unwrap();
    let backup = office.path("backup");
    let written = run(&mut office.command(["backup", text(&backup), "--json"])).exits(3).json();
    assert_eq!((&written["events"], &written["attachments"]), (&json!(office.head()), &json!(1)));
    let lost = &written["lost"][0];
    assert_eq!((&lost["name"], &lost["sha256"]), (&json!("整改报告.pdf"), &json!(sha256)));
    let words = office.run(["backup", "verify", text(&backup)]).exits(3).out;
    assert!(words.contains("not whole") && words.contains("整改报告.pdf") && words.contains(sha256), "{words}");
    restore(&office, "refused", &[text(&backup)]).exits(3).says(&["is missing", "--accept-loss"]);
    assert!(!office.path("refused").join("store").exists());
    let restored = restore(&office, "restored", &[text(&backup), "--accept-loss"]).exits(3).json();
    assert_eq!((&restored["events"], &restored["lost"][0]["event"]), (&written["events"], &lost["event"]));
    let doctor = run(crate::office::program().arg("--data").arg(office.path("restored")).args(["doctor", "--json"]));
    assert!(doctor.exits(3).json()["faults"][0].as_str().unwrap().contains("整改报告.pdf"));
    std::fs::write(&kept, std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(office.ask(["backup", text(&backup)])["lost"], json!([]));
    office.ask(["backup", "verify", text(&backup)]);
}

/// What an audit command on a data directory ends with.
fn audit(data: &Path, args: &[&str]) -> crate::office::Ran {
    run(crate::office::program().arg("--data").arg(data).arg("audit").args(args))
}

#[test]
fn a_restored_log_goes_on_under_its_checkpoints_once_the_key_is_back() {
    let office = Office::published();
    let (backup, given, proof) = (office.path("backup"), office.path("given"), office.data().join("transparency"));
    audit(&office.data(), &["checkpoint", "--out", text(&given)]).exits(0);
    office.ask(["backup", text(&backup)]);
    restore(&office, "restored", &[text(&backup)]).exits(0);
    let restored = office.path("restored");
    let list = |data: &Path| std::fs::read_to_string(data.join("transparency/checkpoints")).unwrap();
    assert_eq!(list(&restored), list(&office.data()));
    audit(&restored, &["checkpoint"]).exits(4).says(&["signing key is missing"]);
    std::fs::copy(proof.join("key"), restored.join("transparency/key")).unwrap();
    audit(&restored, &["verify", "--checkpoint", text(&given)]).exits(0);
    run(crate::office::program().arg("--data").arg(&restored).args(["pay", "g", "1"])).exits(0);
    audit(&restored, &["checkpoint"]).exits(0);
    assert!(list(&restored).starts_with(&list(&office.data())));
    // Where it ends before what was signed, it cannot go on under that key.
    let earlier = restore(&office, "earlier", &[text(&backup), "--until", "4"]).exits(0).json();
    assert!(earlier["checkpoints"].as_str().unwrap().contains("new key"), "{earlier}");
    assert!(!office.path("earlier").join("transparency/checkpoints").exists());
    let kept = office.path("kept");
    std::fs::create_dir_all(kept.join("transparency")).unwrap();
    std::fs::copy(proof.join("key"), kept.join("transparency/key")).unwrap();
    restore(&office, "kept", &[text(&backup), "--until", "4"]).exits(3).says(&["cover"]);
    assert!(!kept.join("store").exists());
    restore(&office, "kept", &[text(&backup)]).exits(0);
    audit(&kept, &["verify", "--checkpoint", text(&given)]).exits(0);
}

#[test]
fn a_restore_beside_checkpoints_of_another_log_is_refused() {
    let (office, other) = (Office::published(), Office::published());
    let backup = office.path("backup");
    office.ask(["backup", text(&backup)]);
    std::fs::remove_dir_all(other.data().join("store")).unwrap();
    other.run(["restore", text(&backup)]).exits(3).says(&["are not those of a checkpoint in", "transparency"]);
    assert!(!other.data().join("store").exists());
    std::fs::remove_dir_all(other.data().join("transparency")).unwrap();
    other.run(["restore", text(&backup)]).exits(0);
}

#[test]
fn files_that_cannot_be_attached_are_named_and_nothing_is_recorded() {
    let (office, id) = with_a_notice_sent();
    let head = office.head();
    let answer = ["notices", "answer", &id, "--summary", "s", "--attach"];
    let empty = office.file("empty.pdf", "");
    office.run(answer.iter().copied().chain([text(&empty)])).exits(4).says(&["empty.pdf", "1 byte to 32 MiB"]);
    let absent = office.path("absent.pdf");
    office.run(answer.iter().copied().chain([text(&absent)])).exits(4).says(&["absent.pdf"]);
    let folder = office.data();
    office.run(answer.iter().copied().chain([text(&folder)])).exits(4).says(&["data"]);
    assert_eq!(office.head(), head);
    office.import(month("2020-03")).exits(0);
}
