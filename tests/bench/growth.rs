//! Growth: what the months of a plan of many sections take, from importing to the settlement and the replay, at growing
//! sizes.
//!
//! A program to look at, not a test: `cargo run --release -p bishui-tests --bin growth [-- SECTIONS…]`. Each size has a
//! process and an own store in a temporary directory; one line a step of it gives the time, the memory held after it and
//! the most that was held so far. Linear growth shows as a time for each section that stays, and as an exponent of one.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bishui::act::Act;
use bishui::clock::ManualClock;
use bishui::delivery;
use bishui::drill::MAIL_FROM;
use bishui::office::{Office, Request, Settings};
use bishui::replay::replay;
use bishui_domain::escalation::accountability_proposal::ProposalStatus;
use bishui_domain::ids::CountyId;
use bishui_domain::money::Fen;
use bishui_domain::plan::Plan;
use bishui_domain::plan::rules::Approval;
use bishui_infra::calendar;
use bishui_infra::event_log::EventLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::mail::SinkMailer;

/// Anything that stops the program.
type Failure = Box<dyn std::error::Error>;

/// Sections of the plans that are measured where none are given.
const SIZES: [usize; 7] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 100_000];
/// The first argument of a process that measures one size.
const ALONE: &str = "--alone";
/// Sections of a county: about as many as a county of a large municipality has.
const SECTIONS_PER_COUNTY: usize = 36;
/// Every so many sections miss their target, in every month: warnings, charges, interviews and a proposal.
const UNMET_EVERY: usize = 7;
/// In every so many counties none does: they are rewarded.
const MET_EVERY: usize = 10;
/// The year of the plan.
const YEAR: i16 = 2020;
/// The months that are published, with the day on which it is done. After each second one the county is interviewed.
const MONTHS: [(&str, &str); 4] = [
    ("2020-01", "2020-02-10T09:00:00+08:00"),
    ("2020-02", "2020-03-10T09:00:00+08:00"),
    ("2020-03", "2020-04-10T09:00:00+08:00"),
    ("2020-04", "2020-05-10T09:00:00+08:00"),
];
/// When the year is settled.
const YEAR_IS_OVER: &str = "2021-01-10T09:00:00+08:00";
/// What a county pays of its charges.
const PAID: Fen = Fen(40_000_000);
/// A sample that meets class III in its 21 indicators, ammonia apart.
const BEFORE_AMMONIA: &str = "7.88,8.44,3.32,11.3,2.1";
const AFTER_AMMONIA: &str =
    "0.025,0.05L,0.05L,0.66,0.0004L,0.0022,0.00004L,0.0001L,0.004L,0.002L,0.004L,0.0003L,0.01L,0.05L,0.005L";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, sections] = &arguments[..]
        && word == ALONE
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        return runtime.block_on(measure(sections.parse()?));
    }
    let sizes: Vec<usize> = match &arguments[..] {
        [] => SIZES.to_vec(),
        sizes => sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?,
    };
    println!("{:>8}  {:>14}  {:>8}  {:>8}  {:>8}", "sections", "step", "seconds", "MiB held", "MiB most");
    let (mut times, mut peaks) = (Vec::new(), Vec::new());
    for sections in sizes {
        let (time, peak) = apart(sections)?;
        times.push((sections, time));
        peaks.push((sections, peak));
    }
    if times.len() > 1 {
        println!(
            "time grows with the sections to the power of {:.2}, memory {:.2}",
            exponent(&times),
            exponent(&peaks)
        );
    }
    Ok(())
}

/// Measures a size in a process of its own, so that its memory is its own; gives seconds and MiB in thousandths.
fn apart(sections: usize) -> Result<(u64, u64), Failure> {
    let mut child = Command::new(std::env::current_exe()?);
    let child = child.args([ALONE, &sections.to_string()]).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(child.stdout)?;
    let whole = text.lines().last().filter(|_| child.status.success()).ok_or("a measurement has failed")?;
    print!("{text}");
    let figure = |place| -> Result<u64, Failure> {
        let text = whole.split_whitespace().nth(place).ok_or("no figure")?.replace('.', "");
        Ok(text.parse()?)
    };
    Ok((figure(2)?, figure(4)? * 1_000))
}

/// The power of the size that a figure grows with: least squares of its logarithm over that of the size.
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure to look at")]
fn exponent(figures: &[(usize, u64)]) -> f64 {
    let logs: Vec<_> = figures.iter().map(|(size, figure)| ((*size as f64).ln(), (*figure as f64).ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / logs.len() as f64;
    let (x, y) = (mean(|log| log.0), mean(|log| log.1));
    let both: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    both / logs.iter().map(|log| (log.0 - x).powi(2)).sum::<f64>()
}

/// The steps of one size, as they are done.
struct Steps {
    sections: usize,
    start: Instant,
}

impl Steps {
    async fn take(&self, step: &str, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        let start = Instant::now();
        work.await?;
        self.line(step, start.elapsed())
    }

    fn line(&self, step: &str, time: Duration) -> Result<(), Failure> {
        let (held, most) = (mebibytes("VmRSS:")?, mebibytes("VmHWM:")?);
        println!("{:>8}  {step:>14}  {:>8.3}  {held:>8}  {most:>8}", self.sections, time.as_secs_f64());
        Ok(())
    }
}

async fn measure(sections: usize) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().to_owned();
    let log: Arc<dyn EventLog> = Arc::new(tokio::task::spawn_blocking(move || SledLog::open(store)).await??);
    let clock = Arc::new(ManualClock::at("2020-02-10T09:00:00+08:00".parse()?));
    let settings = Settings { approval: Some(Approval::Automatic), ..Settings::default() };
    let office = Office::new(Arc::clone(&log), clock.clone(), Arc::new(calendar::built_in()), settings);
    let mailer = SinkMailer::default();
    let steps = Steps { sections, start: Instant::now() };
    steps.take("adopt", perform(&office, Act::AdoptPlan { plan: Box::new(plan(sections)?) })).await?;
    for (number, (month, today)) in MONTHS.into_iter().enumerate() {
        clock.advance_to(today.parse()?);
        steps.take(&format!("import {month}"), perform(&office, readings(sections, month)?)).await?;
        steps.take(month, perform(&office, publication(month)?)).await?;
        steps.take(&format!("mail {month}"), deliver(&office, &mailer)).await?;
        if number % 2 == 1 {
            steps.take("interviews", for_each_missing(&office, sections, interview)).await?;
        }
    }
    steps.take("determine", for_each_missing(&office, sections, determination)).await?;
    steps.take("mail proposals", deliver(&office, &mailer)).await?;
    if !is_all_issued(&office, sections) {
        return Err("not every proposal was issued".into());
    }
    steps.take("pay", for_each_missing(&office, sections, payment)).await?;
    clock.advance_to(YEAR_IS_OVER.parse()?);
    steps.take("settle", perform(&office, Act::Settle { year: YEAR, provincial_payable: PAID })).await?;
    drop(office);
    let replayed = async {
        let replayed = replay(&*log, |_| ()).await?;
        if replayed.differing == 0 { Ok(()) } else { Err("the replay differs".into()) }
    };
    steps.take("replay", replayed).await?;
    steps.line("together", steps.start.elapsed())
}

async fn perform(office: &Office, act: Act) -> Result<(), Failure> {
    office.perform(&act, &Request::by("growth")).await?;
    Ok(())
}

/// Performs an act for every county of which a section misses its target.
async fn for_each_missing(office: &Office, sections: usize, act: fn(CountyId) -> Act) -> Result<(), Failure> {
    for county in missing(sections) {
        perform(office, act(county.parse()?)).await?;
    }
    Ok(())
}

/// The counties of which a section misses its target.
fn missing(sections: usize) -> BTreeSet<String> {
    let county = |section| format!("c{}", section / SECTIONS_PER_COUNTY);
    (0..sections).filter(|section| misses(*section)).map(county).collect()
}

fn misses(section: usize) -> bool {
    section.is_multiple_of(UNMET_EVERY) && (section / SECTIONS_PER_COUNTY) % MET_EVERY != MET_EVERY - 1
}

fn interview(county: CountyId) -> Act {
    Act::HoldInterview { county, on: None, attended: vec!["王主任".to_owned()] }
}

fn determination(county: CountyId) -> Act {
    Act::DetermineImpact { county, year: YEAR, serious: true, basis: "考核结果".to_owned() }
}

fn payment(county: CountyId) -> Act {
    Act::Pay { county, fen: PAID, year: None }
}

/// Whether the whole escalation was gone through: every county that misses its target has a proposal that was issued.
fn is_all_issued(office: &Office, sections: usize) -> bool {
    let register = office.register();
    let proposals = register.counties.values().filter_map(|county| county.proposals.by_year.get(&YEAR));
    proposals.filter(|proposal| proposal.status == ProposalStatus::Issued).count() == missing(sections).len()
}

async fn deliver(office: &Office, mailer: &SinkMailer) -> Result<(), Failure> {
    delivery::deliver_due(office, mailer, MAIL_FROM).await?;
    Ok(())
}

fn publication(month: &str) -> Result<Act, Failure> {
    Ok(Act::Publish { period: month.parse()?, declare_rest: None })
}

fn plan(sections: usize) -> Result<Plan, Failure> {
    let mut text = String::from(
        "[plan]\nid = \"growth\"\nmunicipality = \"市\"\nyear = 2020\ntime_zone = \"Asia/Shanghai\"\n\
         government_emails = [\"office@city.example\"]\n[rules]\n\
         annual_months_min = 4\nbands = [{ sections_max = 3, fen = 50_000_000 }, { fen = 40_000_000 }]\n",
    );
    for county in 0..sections.div_ceil(SECTIONS_PER_COUNTY) {
        let kind = "kind = \"county\"";
        writeln!(text, "[[county]]\nid = \"c{county}\"\nname = \"县{county}\"\n{kind}")?;
        writeln!(text, "emails = [\"office@c{county}.example\"]")?;
    }
    for section in 0..sections {
        let county = section / SECTIONS_PER_COUNTY;
        writeln!(text, "[[section]]\nid = \"s{section}\"\nname = \"断面{section}\"\nwater = \"河\"\nkind = \"river\"")?;
        writeln!(text, "county = \"c{county}\"\nlevel = \"municipal\"\ntarget = \"III\"")?;
    }
    Ok(toml::from_str(&text)?)
}

fn readings(sections: usize, month: &str) -> Result<Act, Failure> {
    let mut csv = String::from(
        "section,time,source,ph,do,codmn,cod,bod5,nh3n,tp,cu,zn,f,se,as,hg,cd,cr6,pb,cn,phenol,oil,las,sulfide\n",
    );
    for section in 0..sections {
        let ammonia = if misses(section) { "2.400" } else { "0.400" };
        writeln!(csv, "s{section},{month}-07,municipal,{BEFORE_AMMONIA},{ammonia},{AFTER_AMMONIA}")?;
    }
    Ok(Act::Import { file: format!("{month}.csv"), csv: csv.into_bytes(), mapping: None })
}

/// A figure of this process's memory, where the system tells it; otherwise 0.
fn mebibytes(name: &str) -> Result<u64, Failure> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok(0) };
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024)
}
