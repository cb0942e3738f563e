//! The evidence of a county and year: which streams it takes in.
//!
//! A stream is taken in whole, up to the checkpoint: an event left out in between shows in its versions. Plan,
//! rounds and settlement are the city's and name other counties too.

use std::collections::BTreeSet;

use bishui_domain::ids::CountyId;
use bishui_domain::notice::{Notice, Subject};
use bishui_domain::period::{Month, Period};
use bishui_domain::refusal::Refusal;
use bishui_infra::event_log::{EventLog, LogError, Position, Recorded, StreamId, StreamVersion};
use bishui_infra::transparency::bundle::{Contents, write};
use bishui_infra::transparency::notary::Notary;

use crate::error::OfficeError;
use crate::records::stream;
use crate::register::Register;
use crate::view::county_name;

/// Events read at a time.
const PAGE: usize = 1_000;
/// Most bytes of payloads in a bundle.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// Writes the sealed evidence of a county and year, against a fresh checkpoint.
pub(super) async fn bundle(
    notary: &mut Notary,
    log: &dyn EventLog,
    county: &CountyId,
    year: i16,
) -> Result<String, OfficeError> {
    let checkpoint = notary.checkpoint(log).await?;
    let size = Position(checkpoint.head.size);
    let register = Register::read(log, |event| event.position <= size, |_| false).await?;
    if !register.plans.revisions().iter().any(|revision| revision.county(county).is_some()) {
        return Err(Refusal::UnknownCounty { county: county.to_string() }.into());
    }
    let mut events = Vec::new();
    let mut bytes = 0;
    for stream in streams(&register, county, year)? {
        for event in whole(log, &stream, size).await? {
            bytes += event.payload.len();
            if bytes > PAYLOAD_BYTES_MAX {
                let what = format!("the evidence of {county} in {year} is larger than 256 MiB");
                return Err(OfficeError::Input { what });
            }
            events.push(event);
        }
    }
    events.sort_by_key(|event| event.position);
    let about = about(&register, county, year, events.len());
    let contents = Contents { county: county.as_str(), year, about: &about, events: &events, checkpoint: &checkpoint };
    Ok(write(contents, &notary.tiles()?, notary.signing_key())?)
}

/// The events of a stream up to a position, every version from the first on.
async fn whole(log: &dyn EventLog, stream: &StreamId, last: Position) -> Result<Vec<Recorded>, OfficeError> {
    let (mut events, mut after) = (Vec::new(), StreamVersion(0));
    loop {
        let page = log.read_stream(stream, after, PAGE).await?;
        let read = page.len();
        for event in &page {
            after = StreamVersion(after.0 + 1);
            if event.version != after {
                return Err(LogError::Corrupt { what: format!("version {after} of {stream} is missing") }.into());
            }
        }
        events.extend(page.into_iter().take_while(|event| event.position <= last));
        if read < PAGE {
            return Ok(events);
        }
    }
}

/// The streams that concern a county in a year, and those they rest on.
fn streams(register: &Register, county: &CountyId, year: i16) -> Result<BTreeSet<StreamId>, OfficeError> {
    let mut streams = BTreeSet::from([
        stream::plan(),
        stream::county(county),
        stream::compensation(county),
        stream::settlement(year),
    ]);
    let months: Vec<Month> = (1..=12).filter_map(|month| format!("{year:04}-{month:02}").parse().ok()).collect();
    if months.len() != 12 {
        return Err(OfficeError::Input { what: format!("{year} is no year that is assessed") });
    }
    streams.extend(register.rounds.keys().filter(|period| period.year() == year).map(|period| stream::round(*period)));
    let sections = register.plans.revisions().iter().flat_map(|revision| &revision.plan.section);
    for section in sections.filter(|section| section.county == *county) {
        streams.insert(stream::section(&section.id));
        streams.extend(months.iter().map(|month| stream::readings(&section.id, *month)));
    }
    let ours = |notice: &Notice| notice.county == *county && year_of(&notice.subject) == year;
    let notices: BTreeSet<_> = register.notice.iter().filter(|(_, notice)| ours(notice)).map(|(id, _)| *id).collect();
    streams.extend(notices.iter().map(|notice| stream::notice(*notice)));
    let mails = register.mail.iter().filter(|(_, mail)| notices.contains(&mail.message.notice));
    streams.extend(mails.map(|(id, _)| stream::mail(*id)));
    Ok(streams)
}

fn year_of(subject: &Subject) -> i16 {
    match subject {
        Subject::Round { period, .. } | Subject::Interview { raised_by: period, .. } => Period::year(*period),
        Subject::Proposal { year, .. } => *year,
    }
}

/// The words at the head of the file.
fn about(register: &Register, county: &CountyId, year: i16, events: usize) -> Vec<String> {
    let name = county_name(&register.plans, county);
    vec![
        format!("{name}{year}年水质考核、预警、约谈、问责建议与生态赔偿的全部记录，共{events}条。"),
        "记录按日志位置排列：[index] 为目录，[document] 为发出的文书原文，[events] 为完整记录。".to_owned(),
        "所涉各序列自首条起完整收录至检查点，含方案、考核公布与年度结算中涉及其他县（市、区）的内容。".to_owned(),
        "验证：bishui-verify 本文件 --key 日志公钥。公钥请另行取得，不以本文件为准；任何一个字节的改动都会被拒绝。"
            .to_owned(),
    ]
}
