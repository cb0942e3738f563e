//! Growth: what importing, publishing and replaying the months of a plan of many sections takes, at growing sizes.
//!
//! A program to look at, not a test: `cargo run --release -p bishui-tests --bin growth -- --sections 4000`, with `--once`
//! for that size alone. Each line is an own store in a temporary directory; the peak of memory is that of the process so
//! far. Linear growth shows as a time per section that stays, and as an exponent of one between the sizes.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bishui::act::Act;
use bishui::clock::ManualClock;
use bishui::delivery;
use bishui::drill::MAIL_FROM;
use bishui::office::{Office, Request, Settings};
use bishui::replay::replay;
use bishui_domain::plan::Plan;
use bishui_domain::plan::rules::Approval;
use bishui_infra::calendar;
use bishui_infra::event_log::EventLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::mail::SinkMailer;

/// Anything that stops the program.
type Failure = Box<dyn std::error::Error>;

/// Sections of the largest plan without `--sections`.
const SECTIONS: usize = 4_000;
/// Sections of a county: about as many as a county of a large municipality has.
const SECTIONS_PER_COUNTY: usize = 36;
/// Every so many sections miss their target, in both months: warning, charge and interview.
const UNMET_EVERY: usize = 7;
/// A sample that meets class III in its 21 indicators, ammonia apart.
const BEFORE_AMMONIA: &str = "7.88,8.44,3.32,11.3,2.1";
const AFTER_AMMONIA: &str =
    "0.025,0.05L,0.05L,0.66,0.0004L,0.0022,0.00004L,0.0001L,0.004L,0.002L,0.004L,0.0003L,0.01L,0.05L,0.005L";

fn main() -> Result<(), Failure> {
    let (largest, parts) = sizes(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("sections  adopt  import  publish  +mail  second month  replay  total  per section  peak MiB  events");
    let mut smaller: Option<(usize, Duration)> = None;
    for part in parts.iter().copied() {
        let sections = (largest / part).max(1);
        let total = runtime.block_on(measure(sections))?;
        if let Some((fewer, time)) = smaller.replace((sections, total)) {
            println!("exponent from {fewer} to {sections} sections: {:.2}", exponent(fewer, sections, time, total));
        }
    }
    Ok(())
}

/// The power of the size that the time grew with.
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure to look at")]
fn exponent(fewer: usize, more: usize, before: Duration, after: Duration) -> f64 {
    (after.as_secs_f64() / before.as_secs_f64()).ln() / (more as f64 / fewer as f64).ln()
}

/// The number of sections, and the parts of it that are measured.
fn sizes(arguments: impl Iterator<Item = String>) -> Result<(usize, &'static [usize]), Failure> {
    let arguments: Vec<_> = arguments.collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok((SECTIONS, &[8, 4, 2, 1])),
        ["--sections", number] => Ok((number.parse()?, &[8, 4, 2, 1])),
        ["--sections", number, "--once"] => Ok((number.parse()?, &[1])),
        _ => Err("usage: growth [--sections N [--once]]".into()),
    }
}

async fn measure(sections: usize) -> Result<Duration, Failure> {
    let directory = tempfile::tempdir()?;
    let store = directory.path().to_owned();
    let log: Arc<dyn EventLog> = Arc::new(tokio::task::spawn_blocking(move || SledLog::open(store)).await??);
    let clock = Arc::new(ManualClock::at("2020-02-10T09:00:00+08:00".parse()?));
    let settings = Settings { approval: Some(Approval::Automatic), ..Settings::default() };
    let office = Office::new(Arc::clone(&log), clock.clone(), Arc::new(calendar::built_in()), settings);
    let mailer = SinkMailer::default();
    let start = Instant::now();
    let adopt = timed(perform(&office, Act::AdoptPlan { plan: Box::new(plan(sections)?) })).await?;
    let import = timed(perform(&office, readings(sections, "2020-01")?)).await?;
    let publish = timed(perform(&office, publication("2020-01")?)).await?;
    let mail = timed(deliver(&office, &mailer)).await?;
    clock.advance_to("2020-03-10T09:00:00+08:00".parse()?);
    let second = timed(async {
        perform(&office, readings(sections, "2020-02")?).await?;
        perform(&office, publication("2020-02")?).await?;
        deliver(&office, &mailer).await
    })
    .await?;
    let replayed = timed(async {
        let replayed = replay(&*log, |_| ()).await?;
        if replayed.differing == 0 { Ok(()) } else { Err("the replay differs".into()) }
    })
    .await?;
    let whole = start.elapsed();
    let each = whole / u32::try_from(sections)?;
    let [adopt, import, publish, mail, second, replayed, total] =
        [adopt, import, publish, mail, second, replayed, whole]
            .map(|duration| format!("{:.2}", duration.as_secs_f32()));
    let (peak, head) = (peak_mebibytes()?, log.head().await?);
    println!(
        "{sections:8}  {adopt:>5}  {import:>6}  {publish:>7}  {mail:>5}  {second:>12}  {replayed:>6}  {total:>5}  {each:>11.2?}  {peak:>8}  {head:>6}"
    );
    Ok(whole)
}

async fn timed(work: impl Future<Output = Result<(), Failure>>) -> Result<Duration, Failure> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed())
}

async fn perform(office: &Office, act: Act) -> Result<(), Failure> {
    office.perform(&act, &Request::by("growth")).await?;
    Ok(())
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
         bands = [{ sections_max = 3, fen = 50_000_000 }, { fen = 40_000_000 }]\n",
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
        let ammonia = if section.is_multiple_of(UNMET_EVERY) { "2.400" } else { "0.400" };
        writeln!(csv, "s{section},{month}-07,municipal,{BEFORE_AMMONIA},{ammonia},{AFTER_AMMONIA}")?;
    }
    Ok(Act::Import { file: format!("{month}.csv"), csv: csv.into_bytes(), mapping: None })
}

/// The most memory the process has held, where the system tells.
fn peak_mebibytes() -> Result<String, Failure> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok("?".to_owned()) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok((kibibytes / 1024).to_string())
}
