//! The proof of the log on the command line: checkpoint, check, evidence, with and without a running service.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use bishui_verifier::note::Key;
use bishui_verifier::{bundle, continuation, single};
use serde_json::Value;

use crate::office::{Office, month, run};

/// The verifier key of an office's log.
fn key(office: &Office) -> Key {
    Key::parse(office.ask(["audit", "key"])["key"].as_str().expect("a key")).expect("a verifier key")
}

#[test]
fn a_new_store_has_a_key_that_only_its_owner_may_read() {
    let office = Office::open();
    let file = office.data().join("transparency").join("key");
    let mode = std::fs::metadata(&file).expect("a key file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let printed = office.run(["audit", "key"]).exits(0).out;
    assert_eq!(Key::parse(printed.trim()).expect("a verifier key"), key(&office));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("set");
    office.run(["audit", "key"]).exits(4).says(&["others may read the signing key", "chmod 600"]);
}

#[test]
fn each_publication_leaves_a_checkpoint_and_the_check_compares_them_all() {
    let office = Office::published();
    let found = office.ask(["audit", "verify"]);
    assert_eq!((&found["sound"], &found["checkpoints"]), (&true.into(), &2.into()), "{found}");
    assert_eq!(found["events"], office.head());
    let words = office.run(["audit", "verify"]).exits(0).out;
    assert!(words.contains("2 checkpoints compared") && words.ends_with("no difference\n"), "{words}");
}

#[test]
fn a_checkpoint_that_was_given_out_finds_a_log_that_was_put_back() {
    let office = Office::open();
    let copy = office.path("copy");
    copy_dir(&office.data(), &copy);
    office.import(month("2020-01")).exits(0);
    let given = office.path("given");
    office.run([OsStr::new("audit"), OsStr::new("checkpoint"), OsStr::new("--out"), given.as_os_str()]).exits(0);
    let printed = office.run(["audit", "checkpoint"]).exits(0).out;
    assert_eq!(printed, std::fs::read_to_string(&given).expect("the file"));
    let mode = std::fs::metadata(&given).expect("the file").permissions().mode();
    assert_ne!(mode & 0o044, 0, "others may read what is for them: {mode:o}");
    let args = [OsStr::new("audit"), OsStr::new("verify"), OsStr::new("--checkpoint"), given.as_os_str()];
    office.run(args).exits(0);
    // The whole data directory is replaced by an older copy: nothing in it contradicts it, the given checkpoint does.
    std::fs::remove_dir_all(office.data()).expect("removed");
    copy_dir(&copy, &office.data());
    office.run(["audit", "verify"]).exits(0);
    let found = office.run(args).exits(3);
    assert!(found.out.contains("truncated: the log has 1 events, the checkpoint in "), "{found:?}");
    let found = run(office.command(args).arg("--json")).exits(3).json();
    assert_eq!(found["differences"][0]["difference"], "truncated", "{found}");
    // The store alone is replaced: the checkpoints that are kept contradict it, and no other is signed.
    let office = Office::open();
    let copy = office.path("copy");
    copy_dir(&office.data().join("store"), &copy);
    office.import(month("2020-01")).exits(0);
    office.run(["audit", "checkpoint"]).exits(0);
    std::fs::remove_dir_all(office.data().join("store")).expect("removed");
    copy_dir(&copy, &office.data().join("store"));
    office.run(["audit", "checkpoint"]).exits(3).says(&["truncated: the log has 1 events", "covers 3"]);
    office.run(["audit", "verify"]).exits(3);
}

#[test]
fn a_checkpoint_is_shown_to_continue_an_older_one() {
    let office = Office::open();
    let mut given = Vec::new();
    for at in ["2020-01", "2020-02", "2020-03"] {
        office.import(month(at)).exits(0);
        office.run(["publish", at]).exits(0);
        given.push(office.file(at, office.run(["audit", "checkpoint"]).exits(0).out));
    }
    let (key, head) = (key(&office), office.head());
    for file in &given {
        let args = [OsStr::new("audit"), OsStr::new("prove"), OsStr::new("--since"), file.as_os_str()];
        let proof = office.run(args).exits(0).out;
        let (old, size) = continuation::verify(proof.as_bytes(), &key).expect("accepted");
        assert!(old <= size && size == head, "{old} of {size}");
        let mut changed: Value = serde_json::from_str(&proof).expect("JSON");
        changed["old"] = changed["checkpoint"].clone();
        assert_eq!(continuation::verify(changed.to_string().as_bytes(), &key).is_ok(), old == size);
    }
    let copy = office.path("copy");
    copy_dir(&office.data(), &copy);
    office.import(month("2020-04")).exits(0);
    let newer = office.file("newer", office.run(["audit", "checkpoint"]).exits(0).out);
    std::fs::remove_dir_all(office.data()).expect("removed");
    copy_dir(&copy, &office.data());
    let args = [OsStr::new("audit"), OsStr::new("prove"), OsStr::new("--since"), newer.as_os_str()];
    office.run(args).exits(3).says(&["truncated: the log has"]);
    office.run(["audit", "prove"]).exits(2);
}

#[test]
fn the_key_of_the_settings_signs() {
    let office = Office::open();
    let own = key(&office);
    let file = office.path("shared-key");
    let settings = office.data().join("bishui.toml");
    std::fs::write(&settings, format!("signing_key = {file:?}\n")).expect("written");
    office.run(["audit", "key"]).exits(5).says(&["shared-key cannot be used"]);
    std::fs::copy(office.data().join("transparency").join("key"), &file).expect("copied");
    assert_eq!(key(&office), own);
    std::fs::write(&file, "PRIVATE+KEY+x+00000000+AQ==").expect("written");
    office.run(["audit", "key"]).exits(4).says(&["is no signing key"]);
}

#[test]
fn a_checkpoint_of_another_log_or_none_is_rejected_input() {
    let (office, other) = (Office::open(), Office::open());
    let given = office.file("given", other.run(["audit", "checkpoint"]).exits(0).out);
    let verify = |file: &std::path::Path| {
        office.run([OsStr::new("audit"), OsStr::new("verify"), OsStr::new("--checkpoint"), file.as_os_str()])
    };
    verify(&given).exits(4).says(&["given", "no checkpoint signed by the key of this log"]);
    verify(&office.file("large", vec![b'x'; 1 << 17])).exits(4).says(&["larger than a checkpoint can be"]);
    verify(&office.path("absent")).exits(4).says(&["absent"]);
}

#[test]
fn a_changed_list_of_checkpoints_is_a_difference() {
    let office = Office::published();
    let list = office.data().join("transparency").join("checkpoints");
    let mut bytes = std::fs::read(&list).expect("the list");
    bytes[20] ^= 1;
    std::fs::write(&list, bytes).expect("written");
    office.run(["audit", "verify"]).exits(3).says(&["checkpoint 1 is not signed by the key of this log"]);
    office.run(["status"]).exits(0);
    std::fs::remove_file(&list).expect("removed");
    office.run(["audit", "checkpoint"]).exits(3).says(&["signed checkpoints are missing"]);
    office.run(["audit", "verify"]).exits(3);
    assert!(!list.exists(), "no other list is begun");
}

#[test]
fn evidence_is_accepted_by_the_verifier() {
    let office = Office::published();
    office.run(["notices", "approve", "--all", "--as", "李强"]).exits(0);
    let key = key(&office);
    let file = office.path("bundle");
    let args = ["audit", "bundle", "--county", "g", "--year", "2020", "--out"].map(OsStr::new);
    office.run(args.into_iter().chain([file.as_os_str()])).exits(0);
    let accepted = bundle::verify(&std::fs::read(&file).expect("the bundle"), &key).expect("accepted");
    assert!(accepted.documents >= 3, "two warnings and an interview notice: {accepted:?}");
    let proof = office.run(["audit", "prove", "3"]).exits(0).out;
    assert_eq!(single::verify(proof.as_bytes(), &key).expect("accepted").position, 3);
    office.run(["audit", "prove", "100000"]).exits(1).says(&["an event at position 100000 does not exist"]);
    // An older file is replaced, a pipe is written to, and a place that cannot be written is rejected input.
    std::fs::write(&file, "older").expect("written");
    let out = |place: &std::path::Path| {
        let args = ["audit", "bundle", "--county", "g", "--year", "2020", "--out"].map(OsStr::new);
        office.run(args.into_iter().chain([place.as_os_str()]))
    };
    out(&file).exits(0);
    assert_eq!(bundle::verify(&std::fs::read(&file).expect("the bundle"), &key).expect("accepted"), accepted);
    let printed = out(std::path::Path::new("/dev/stdout")).exits(0).out;
    assert!(printed.starts_with("bishui-bundle/1 g 2020\n"), "{printed}");
    out(&office.path("absent").join("bundle")).exits(4).says(&["absent"]);
    let args = ["audit", "bundle", "--county", "nowhere", "--year", "2020", "--out"].map(OsStr::new);
    office.run(args.into_iter().chain([file.as_os_str()])).exits(1).says(&["nowhere"]);
}

#[test]
fn a_running_service_answers_the_same_questions() {
    let office = Office::published();
    let before = office.ask(["audit", "verify"]);
    let mut service = office.command(["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().expect("up");
    let mut lines = BufReader::new(service.stderr.take().expect("piped")).lines();
    let up = lines.by_ref().map_while(Result::ok).any(|line| line.contains("the service listens"));
    assert!(up, "the service did not come up");
    let drain = std::thread::spawn(move || lines.count());
    let found = office.ask(["audit", "verify"]);
    assert_eq!((&found["sound"], &found["root"]), (&true.into(), &before["root"]), "{found}");
    let proof = office.run(["audit", "prove", "2"]).exits(0).out;
    assert_eq!(single::verify(proof.as_bytes(), &key(&office)).expect("accepted").position, 2);
    office.run(["audit", "prove", "100000"]).exits(1);
    service.kill().expect("stopped");
    service.wait().expect("ended");
    drain.join().expect("drained");
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_dir(&source, &target);
        } else {
            std::fs::copy(source, target).expect("copied");
        }
    }
}
