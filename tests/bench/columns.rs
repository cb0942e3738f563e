//! Classes of many section-months from 21 indicators: the column-wise path on one core, and polars beside it.
//!
//! A program to look at, not a test: `cargo run --release -p bishui-tests --bin columns -- [--rows N] [--rounds N]
//! [--json]`. Both work on the same rows in the same run, by turns, and must count the same classes. Both start from
//! columns in memory: polars from floats or 32-bit integers, ours from its cells; what it takes to make ours from exact
//! values, drawn row by row, has a line of its own. Of each the fastest turn is shown, since other work on the machine
//! only ever adds time, and the one in the middle. It needs Python 3 with `venv`, and installs polars into the build
//! directory.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bishui_domain::columns::{Columns, IndicatorSet, Limits, Tally, assess};
use bishui_domain::plan::rules::RuleSet;
use serde::Deserialize;
use serde_json::{Value, json};

#[path = "columns/rows.rs"]
mod rows;

/// Anything that stops the program.
type Failure = Box<dyn std::error::Error>;

/// Packages of the other side.
const PACKAGES: [&str; 2] = ["polars==2.1.0", "numpy==2.4.6"];
/// Our own line of the table.
const OURS: &str = "bishui, 1 thread";
/// The other side's program.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/columns_polars.py");

struct Options {
    rows: usize,
    rounds: usize,
    json: bool,
}

fn main() -> Result<(), Failure> {
    let options = options(std::env::args().skip(1))?;
    let python = python()?;
    let data = tempfile::NamedTempFile::new()?;
    let pools = rows::pools(false);
    let columns = rows::columns(&pools, options.rows);
    rows::write(&pools, options.rows, data.path())?;
    let below = rows::columns(&rows::pools(true), options.rows);
    let mut others = [Some("1"), None]
        .map(|threads| Polars::start(&python, data.path(), options.rows, threads))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let mut turns: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    let expected = counts(&columns);
    for _ in 0..options.rounds {
        let (turn, counted) = timed(|| counts(&columns));
        turns.entry(OURS.to_owned()).or_default().push(turn);
        same(OURS, &counted, &expected)?;
        let (turn, _) = timed(|| counts(&below));
        turns.entry(format!("{OURS}, detection limits in 10 columns")).or_default().push(turn);
        let (turn, counted) = timed(|| counts(&rows::columns_of_values(&pools, options.rows)));
        turns.entry(format!("{OURS}, from exact values, columns and all")).or_default().push(turn);
        same(OURS, &counted, &expected)?;
        for polars in &mut others {
            for form in polars.hello.forms.clone() {
                let (turn, counted) = polars.ask(&form)?;
                same(&form, &counted, &expected)?;
                let threads = polars.hello.threads;
                turns.entry(format!("polars, {threads} threads, {form}")).or_default().push(turn);
            }
        }
    }
    print(&options, &others[0].hello.version, &expected, turns);
    Ok(())
}

/// How long `work` takes, and what it gives.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = std::hint::black_box(work());
    (start.elapsed(), done)
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options { rows: 1_000_000, rounds: 9, json: false };
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), &mut arguments) {
            ("--rows", rest) => options.rows = rest.next().ok_or("--rows needs a number")?.parse()?,
            ("--rounds", rest) => options.rounds = rest.next().ok_or("--rounds needs a number")?.parse()?,
            ("--json", _) => options.json = true,
            (_, _) => return Err("usage: columns [--rows N] [--rounds N] [--json]".into()),
        }
    }
    Ok(options)
}

/// Rows of class Ⅰ to inferior Ⅴ, and rows without what an assessment needs.
fn counts(columns: &Columns) -> [u64; 7] {
    let required: IndicatorSet = RuleSet::default().required_indicators.into_iter().collect();
    let mut tally = Tally::default();
    assess(columns, &Limits::standard(), required, |block| tally.add(block));
    let [one, two, three, four, five, inferior] = tally.classes;
    [one, two, three, four, five, inferior, tally.unassessed]
}

fn same(who: &str, counted: &[u64; 7], expected: &[u64; 7]) -> Result<(), Failure> {
    if counted == expected { Ok(()) } else { Err(format!("{who} counts {counted:?} instead of {expected:?}").into()) }
}

fn print(options: &Options, version: &str, counts: &[u64; 7], turns: BTreeMap<String, Vec<Duration>>) {
    let per_second = |time: Duration| options.rows as u128 * 1_000_000_000 / time.as_nanos().max(1);
    let line = |(who, mut turns): (String, Vec<Duration>)| {
        turns.sort();
        (who, per_second(turns[0]), per_second(turns[turns.len() / 2]))
    };
    let mut lines: Vec<_> = turns.into_iter().map(line).collect();
    lines.sort_by_key(|(_, fastest, _)| std::cmp::Reverse(*fastest));
    let ours = lines.iter().find(|(who, ..)| who == OURS).map_or(0, |(_, fastest, _)| *fastest);
    let times = |fastest: u128| format!("{}.{}", ours / fastest.max(1), ours * 10 / fastest.max(1) % 10);
    if options.json {
        let line = |(who, fastest, middle): &(String, u128, u128)| -> Value {
            json!({ "who": who, "rows_per_second": fastest.to_string(), "middle_turn": middle.to_string(),
                    "bishui_is_times": times(*fastest) })
        };
        let lines: Vec<_> = lines.iter().map(line).collect();
        println!("{}", json!({ "rows": options.rows, "polars": version, "counts": counts, "lines": lines }));
        return;
    }
    println!("{} rows of 21 indicators; polars {version}; rows by class and unassessed: {counts:?}", options.rows);
    println!("{:>11}  {:>11}  {:>9}", "rows/second", "middle turn", "bishui is");
    for (who, fastest, middle) in lines {
        println!("{fastest:>11}  {middle:>11}  {:>8}×  {who}", times(fastest));
    }
}

/// The other side, loaded with the rows and waiting to be asked.
struct Polars {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    hello: Hello,
}

#[derive(Deserialize)]
struct Hello {
    version: String,
    threads: usize,
    forms: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    nanoseconds: u64,
    counts: [u64; 7],
}

impl Polars {
    fn start(python: &Path, data: &Path, rows: usize, threads: Option<&str>) -> Result<Self, Failure> {
        let mut command = Command::new(python);
        command.arg(SCRIPT).arg(data).arg(rows.to_string()).arg(rows::table().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(threads) = threads {
            command.env("POLARS_MAX_THREADS", threads);
        }
        let mut child = command.spawn()?;
        let asks = child.stdin.take().ok_or("no pipe")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let hello = read(&mut answers)?;
        Ok(Self { child, asks, answers, hello })
    }

    fn ask(&mut self, form: &str) -> Result<(Duration, [u64; 7]), Failure> {
        writeln!(self.asks, "{form}")?;
        let answer: Answer = read(&mut self.answers)?;
        Ok((Duration::from_nanos(answer.nanoseconds), answer.counts))
    }
}

impl Drop for Polars {
    fn drop(&mut self) {
        // It ends by itself when its input does; a kill that comes too late is no failure.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn read<T: for<'a> Deserialize<'a>>(from: &mut BufReader<ChildStdout>) -> Result<T, Failure> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err("the polars program ended; its message is above".into());
    }
    Ok(serde_json::from_str(&line)?)
}

/// A Python with polars, in the build directory beside this program.
fn python() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let build = program.parent().and_then(Path::parent).ok_or("the program lies in no build directory")?;
    let (home, python) = (build.join("bench-python"), build.join("bench-python/bin/python"));
    let present = || Command::new(&python).args(["-c", "import numpy, polars"]).stderr(Stdio::null()).status();
    if !present().is_ok_and(|status| status.success()) {
        let done = |command: &mut Command| match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) | Err(_) => Err("install Python 3 with venv, and reach PyPI, to measure polars"),
        };
        done(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    }
    Ok(python)
}
