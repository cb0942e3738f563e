//! An office on disk with a small plan, and the program run on it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A plan with two counties; the sections of `g` miss their targets in the readings of this module.
pub(crate) const PLAN: &str = r#"
[plan]
id = "p-2020"
municipality = "聊城市"
year = 2020
time_zone = "Asia/Shanghai"

[[county]]
id = "g"
name = "高唐县"
kind = "county"
emails = ["office@g.example"]

[[county]]
id = "h"
name = "茌平区"
kind = "district"
emails = ["office@h.example"]

[[section]]
id = "a"
name = "高唐北湖"
water = "高唐湖"
kind = "river"
county = "g"
level = "national"
target = "III"

[[section]]
id = "b"
name = "前油坊"
water = "徒骇河"
kind = "river"
county = "h"
level = "national"
target = "V"
"#;

/// Readings of a month in which `a` misses class III by its ammonia nitrogen.
pub(crate) fn month(month: &str) -> String {
    format!(
        "section,time,source,ph,do,codmn,nh3n\na,{month}-05,national,7,8,3,1.12\n前油坊,{month}-05,national,7,8,3,0.5\n"
    )
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "one line of JSON: {self:?}");
        serde_json::from_str(&self.out).expect("standard output is JSON")
    }

    /// The run, once its exit code is `code` and it did not panic.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// The run, once its words on standard error contain all of `words`.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing: {self:?}");
        }
        self
    }
}

/// A command of the program.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bishui-under-test"));
    without_variables(&mut command);
    command
}

/// Takes away every variable of the caller's environment that the program reads.
pub(crate) fn without_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BISHUI_") || name == "RUST_BACKTRACE" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the program writes UTF-8");
    // No code: a signal ended it.
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A data directory with files beside it.
pub(crate) struct Office {
    dir: TempDir,
}

impl Office {
    /// A directory without a store.
    pub(crate) fn bare() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A store with the plan adopted.
    pub(crate) fn open() -> Self {
        let office = Self::bare();
        office.run(["init"]).exits(0);
        let plan = office.file("plan.toml", PLAN);
        office.run([OsStr::new("plan"), OsStr::new("adopt"), plan.as_os_str()]).exits(0);
        office
    }

    /// A store with January and February published, so that `g` has two warning notices and an interview to hold.
    pub(crate) fn published() -> Self {
        let office = Self::open();
        for at in ["2020-01", "2020-02"] {
            office.import(month(at)).exits(0);
            office.run(["publish", at]).exits(0);
        }
        office
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes a file beside the data directory.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("the file can be written");
        path
    }

    /// A command on the data directory.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = program();
        command.arg("--data").arg(self.data()).args(args);
        command
    }

    /// Runs a command on the data directory.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        run(&mut self.command(args))
    }

    /// Runs a command with `--json` and gives what it printed.
    #[track_caller]
    pub(crate) fn ask<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        run(self.command(args).arg("--json")).exits(0).json()
    }

    /// Imports a file of this content.
    pub(crate) fn import(&self, content: impl AsRef<[u8]>) -> Ran {
        let file = self.file("readings.csv", content);
        run(self.command(["import", "--json"]).arg(file))
    }

    /// The newest position of the log.
    #[track_caller]
    pub(crate) fn head(&self) -> u64 {
        self.ask(["events", "--limit", "1"])["head"].as_u64().expect("a head")
    }

    /// The path of a file beside the data directory.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }
}
