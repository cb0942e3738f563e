//! A town of one county with very many sections, all of which miss their target each month.

use std::fmt::Write as _;
use std::sync::Arc;

use bishui::act::Act;
use bishui::clock::ManualClock;
use bishui::delivery::deliver_due;
use bishui::drill::MAIL_FROM;
use bishui::office::{Office, Request, Settings};
use bishui_domain::ids::CountyId;
use bishui_infra::calendar;
use bishui_infra::event_log::EventLog;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::mail::SinkMailer;

/// Sections of the county. With ids of the longest kind every list of them outgrows one event.
pub(crate) const SECTIONS: usize = 2_000;

/// An office with the town's plan in force.
pub(crate) struct Town {
    pub(crate) office: Office,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) mailer: SinkMailer,
}

/// The id of a section: as long as an id can be.
fn id(section: usize) -> String {
    format!("{}{section:04}", "𣲗".repeat(60))
}

/// The name of a section.
pub(crate) fn name(section: usize) -> String {
    format!("断面{section:04}号")
}

/// The county.
pub(crate) fn county() -> CountyId {
    "c".parse().unwrap()
}

fn plan() -> Act {
    let mut text = String::from(
        "[plan]\nid = \"large\"\nmunicipality = \"市\"\nyear = 2020\ntime_zone = \"Asia/Shanghai\"\n\
         government_emails = [\"office@city.example\"]\n[rules]\nconsecutive_unmet = 1\n\
         [[county]]\nid = \"c\"\nname = \"县\"\nkind = \"county\"\nemails = [\"office@c.example\"]\n",
    );
    for section in 0..SECTIONS {
        let (id, name) = (id(section), name(section));
        writeln!(text, "[[section]]\nid = \"{id}\"\nname = \"{name}\"\nwater = \"河\"\nkind = \"river\"").unwrap();
        writeln!(text, "county = \"c\"\nlevel = \"municipal\"\ntarget = \"III\"").unwrap();
    }
    Act::AdoptPlan { plan: Box::new(toml::from_str(&text).unwrap()) }
}

/// A sample of a month for each of these sections.
fn samples(month: &str, sections: impl Iterator<Item = usize>, sample: &str) -> Vec<u8> {
    let mut csv = String::from("section,time,source,ph,do,codmn,nh3n\n");
    for section in sections {
        writeln!(csv, "{},{month}-07,municipal,{sample}", id(section)).unwrap();
    }
    csv.into_bytes()
}

impl Town {
    pub(crate) async fn open() -> Self {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let clock = Arc::new(ManualClock::at("2020-04-10T09:00:00+08:00".parse().unwrap()));
        let office = Office::new(Arc::clone(&log), clock, Arc::new(calendar::built_in()), Settings::default());
        let town = Self { office, log, mailer: SinkMailer::default() };
        town.perform(plan()).await;
        town
    }

    pub(crate) async fn perform(&self, act: Act) {
        self.office.perform(&act, &Request::by("河长办")).await.unwrap();
        self.office.check_no_consumer_has_stopped().await.unwrap();
    }

    pub(crate) async fn deliver(&self) {
        deliver_due(&self.office, &self.mailer, MAIL_FROM).await.unwrap();
        self.office.check_no_consumer_has_stopped().await.unwrap();
    }

    /// Publishes a month in which every section misses its target in each of the four indicators.
    pub(crate) async fn publish(&self, month: &str) {
        let csv = samples(month, 0..SECTIONS, "9.4,2.11,14.73,1.847");
        self.perform(Act::Import { file: format!("{month}.csv"), csv, mapping: None }).await;
        self.perform(Act::Publish { period: month.parse().unwrap(), declare_rest: None }).await;
    }

    /// Corrects the month of a section, which then has met its target.
    pub(crate) async fn revise(&self, month: &str, section: usize) {
        let csv = samples(month, std::iter::once(section), "7.5,8.11,3.11,0.211");
        let (file, reason) = ("corrected.csv".to_owned(), "复核".to_owned());
        self.perform(Act::Revise { file, csv, reason, evidence: None }).await;
    }

    pub(crate) async fn hold(&self) {
        self.perform(Act::HoldInterview { county: county(), on: None, attended: vec!["张三".to_owned()] }).await;
    }
}
