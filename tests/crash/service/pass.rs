//! One pass: a scenario played by victims that are killed, one after another, on one directory.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use bishui_tests::smtp_sink::Server;
use tempfile::TempDir;

use crate::victim::{self, FINISHED, Sabotage, Stop};

/// What the parent sees of a victim.
pub(crate) enum Seen {
    /// A line it printed.
    Line(String),
    /// The server has a message to its final dot; without an answer it says nothing more.
    Dot(Sender<()>),
    /// The victim has ended.
    End,
}

/// The beginning of a [`Stop`] at a final dot, before it is answered.
pub(crate) const DOT: &str = "dot";

/// When a victim is killed.
#[derive(Debug, Clone)]
pub(crate) struct Kill {
    pub(crate) at: Stop,
    /// Whether the victim waits there for its end, or runs on until it comes.
    pub(crate) halted: bool,
}

/// A scenario under way.
pub(crate) struct Pass {
    pub(crate) directory: TempDir,
    pub(crate) server: Option<Server>,
    pub(crate) sabotage: Option<Sabotage>,
    /// The highest act that was acknowledged.
    pub(crate) acknowledged: Option<u64>,
    /// What no victim should have said.
    pub(crate) faults: Vec<String>,
    /// Lines by their first word, over all victims.
    pub(crate) words: BTreeMap<String, u64>,
}

impl Pass {
    /// A pass on an empty directory.
    pub(crate) fn new(server: Option<Server>, sabotage: Option<Sabotage>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self { directory, server, sabotage, acknowledged: None, faults: vec![], words: BTreeMap::new() }
    }

    /// Runs a victim from the act after the last acknowledged one, less `lost` whose acknowledgement was lost on the
    /// way; true when it was killed, false when it came to the end of the scenario or failed.
    pub(crate) fn run(&mut self, kill: Option<&Kill>, lost: u64) -> bool {
        let from = self.acknowledged.map_or(0, |last| last + 1).saturating_sub(lost);
        let program = env::current_exe().expect("the program knows where it is");
        let mut command = Command::new(program);
        command.env(victim::DIRECTORY, self.directory.path()).env(victim::FROM, from.to_string());
        if let Some(server) = &self.server {
            command.env(victim::PORT, server.port.to_string());
        }
        if let Some(sabotage) = self.sabotage {
            command.env(victim::SABOTAGE, sabotage.name());
        }
        if let Some(kill) = kill.filter(|kill| kill.halted) {
            command.env(victim::HALT, kill.at.to_text());
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the victim starts");
        let (told, seen) = mpsc::channel();
        if let Some(server) = &self.server {
            let dots = told.clone();
            // One that nobody waits for any more is not answered.
            server.tell(Some(Arc::new(move |answer| drop(dots.send(Seen::Dot(answer))))));
        }
        let output = child.stdout.take().expect("the output is piped");
        let reading = thread::spawn(move || read(output, &told));
        let (mut met, mut killed, mut finished) = (0, false, false);
        for seen in seen {
            let line = match &seen {
                Seen::Line(line) => line.as_str(),
                Seen::Dot(_) => DOT,
                Seen::End => break,
            };
            finished |= line == FINISHED;
            self.note(line);
            let counts = |kill: &Kill| kill.at.concerns(line) && (line != DOT || kill.at.prefix == DOT);
            met += u64::from(kill.is_some_and(counts));
            if !killed && kill.is_some_and(|kill| met >= kill.at.nth) && !finished {
                child.kill().expect("the victim is ours");
                killed = true;
            }
            // What it says until it is dead is heard; a message is answered only while it lives.
            if let (Seen::Dot(answer), false) = (seen, killed) {
                let _: Result<(), _> = answer.send(());
            }
        }
        if let Some(server) = &self.server {
            server.tell(None);
        }
        reading.join().expect("the reader does not panic");
        let ended = child.wait().expect("the victim ends");
        let done = finished && ended.success();
        if !killed && !done {
            self.faults.push(format!("a victim failed: {ended}"));
        }
        killed
    }

    fn note(&mut self, line: &str) {
        let word = line.split(' ').next().unwrap_or_default();
        *self.words.entry(word.to_owned()).or_default() += 1;
        let act = line.split(' ').nth(1).and_then(|act| act.parse::<u64>().ok());
        if matches!(word, "acked" | "refused") {
            self.acknowledged = self.acknowledged.max(act);
        }
        if word == "refused" {
            self.faults.push(line.to_owned());
        }
    }
}

fn read(output: ChildStdout, told: &Sender<Seen>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        drop(told.send(Seen::Line(line)));
    }
    drop(told.send(Seen::End));
}
