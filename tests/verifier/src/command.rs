//! The command line: `bishui-verify FILE --key KEY`.

use std::io::Read as _;
use std::process::ExitCode;

use crate::event::plain;
use crate::note::{Key, hash_text};
use crate::{Or as _, Rejected, bundle, continuation, json, reject, single};

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// How it is called.
const USAGE: &str = "usage: bishui-verify FILE --key KEY\n\
    FILE: a bundle of `bishui audit bundle` or a proof of `bishui audit prove`\n\
    KEY:  the verifier key of the log, as `bishui audit key` prints it; have it from a place you trust\n\
    exit: 0 accepted, 1 rejected, 2 wrong usage";

/// Runs the command: 0 accepted, 1 rejected, 2 wrong usage.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (file, key) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [file, "--key", key] | ["--key", key, file] => (file.to_owned(), key.to_owned()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match check(&file, &key) {
        Ok(words) => {
            println!("accepted: {words}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("rejected: {why}");
            ExitCode::from(1)
        }
    }
}

fn check(file: &str, key: &str) -> Result<String, Rejected> {
    let key = Key::parse(key)?;
    let bytes = read(file)?;
    if bytes.starts_with(b"{") {
        if json::read(&bytes)?["format"] == continuation::FORMAT {
            let (old, size) = continuation::verify(&bytes, &key)?;
            return Ok(format!("the {size} events of {} begin with the {old} of the older checkpoint", key.name));
        }
        let event = single::verify(&bytes, &key)?;
        let what = [&event.kind, &event.stream, &event.actor, &event.payload].map(|text| plain(text));
        let [kind, stream, actor, payload] = what;
        let (position, at) = (event.position, event.beijing());
        return Ok(format!(
            "event {position} of {}, {kind} on {stream}, recorded {at} by {actor}:\n{payload}",
            key.name
        ));
    }
    let accepted = bundle::verify(&bytes, &key)?;
    let bundle::Accepted { about, events, streams, documents, size, root } = accepted;
    let root = hash_text(&root);
    Ok(format!(
        "{about}: {events} events of {streams} streams, {documents} documents; log {}, {size} events, root {root}",
        key.name
    ))
}

fn read(file: &str) -> Result<Vec<u8>, Rejected> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).or_reject(file)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).or_reject(file)?;
    if bytes.len() as u64 > FILE_BYTES_MAX { reject("the file is larger than 1 GiB") } else { Ok(bytes) }
}
