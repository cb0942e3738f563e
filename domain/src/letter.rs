//! The wording of notices: facts first, then the demand, then the deadline, then whom to ask.

use std::fmt::Write;

use crate::assessment::{HEADLINE_MAX, UnmetIndicator, main_pollutants};
use crate::calendar::Deadline;
use crate::escalation::interview::Ground;
use crate::notice::{Duty, Notice, NoticeKind, Subject};
use crate::period::{Cadence, Period};
use crate::plan::revision::PlanRevision;
use crate::plan::{County, Plan};
use crate::verdict::SectionVerdict;

/// Subject line and text of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The subject line.
    pub subject: String,
    /// The text, lines separated by `\n`.
    pub text: String,
}

/// What the text of a notice is written from, beside the notice itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The plan in force.
    pub revision: &'a PlanRevision,
    /// The county.
    pub county: &'a County,
    /// The document number of the notice that is corrected or withdrawn.
    pub refers_to: Option<&'a str>,
}

/// The letter of an approved notice.
pub fn write(notice: &Notice, context: Context<'_>) -> Letter {
    let number = notice.number.as_ref().map(ToString::to_string).unwrap_or_default();
    let title = title(notice, context);
    let mut text = format!("{number}\n\n{title}\n\n{}：\n", addressee(notice.kind, context));
    match &notice.subject {
        Subject::Round { period, sections } => round_body(&mut text, notice.kind, *period, sections, context),
        Subject::Interview { raised_by, grounds } => {
            interview_body(&mut text, notice.kind, *raised_by, grounds, context);
        }
        Subject::Proposal { year, held_on, grounds, basis } => {
            let days: Vec<_> = held_on.iter().map(|day| chinese_date(*day)).collect();
            let name = &context.county.name;
            push(
                &mut text,
                &format!("{name}在{year}年自然年度内被约谈{}次，时间为：{}。", days.len(), days.join("、")),
            );
            for ground in grounds {
                push(&mut text, &ground_line(ground, context));
            }
            if let Some(basis) = basis {
                push(&mut text, &format!("对我市考核成绩造成严重影响的认定依据：{basis}。"));
            }
            push(&mut text, "依据行动计划三（六），提出问责建议。");
        }
    }
    demands(&mut text, notice.kind, &context.revision.plan);
    let office = context.revision.plan.plan.office.as_deref().unwrap_or("市生态环境局");
    let _ = write!(text, "\n{office}\n\n（本邮件由系统自动发送，打开邮件不视为签收；请登录系统签收。）\n");
    Letter { subject: format!("{title}（{number}）"), text }
}

/// The reminder of a duty of a notice.
pub fn remind(notice: &Notice, duty: Duty, deadline: &Deadline, overdue: bool, context: Context<'_>) -> Letter {
    let number = notice.number.as_ref().map(ToString::to_string).unwrap_or_default();
    let what = match duty {
        Duty::Acknowledge => "签收",
        Duty::Report => "报送整改报告",
    };
    let state = if overdue { "已逾期" } else { "即将到期" };
    let provisional = if deadline.provisional { "（暂定，国务院放假安排公布后核定）" } else { "" };
    let text = format!(
        "{}：\n\n　　{number}《{}》要求{what}的期限为{}{provisional}，{state}。请尽快办理。\n",
        context.county.addressee(),
        title(notice, context),
        chinese_date(deadline.due_on),
    );
    Letter { subject: format!("催办：{number} {what}{state}"), text }
}

fn title(notice: &Notice, context: Context<'_>) -> String {
    let name = &context.county.name;
    let kind = notice.kind.chinese();
    match &notice.subject {
        Subject::Round { period, .. } => format!("关于{name}{}水质考核的{kind}", period.chinese()),
        Subject::Interview { raised_by, .. } => format!("关于{name}{}水质考核的{kind}", raised_by.chinese()),
        Subject::Proposal { year, .. } => format!("关于{name}{year}年水质考核的{kind}"),
    }
}

fn addressee(kind: NoticeKind, context: Context<'_>) -> String {
    match kind {
        NoticeKind::AccountabilityProposal => format!("{}委、市政府", context.revision.plan.plan.municipality),
        NoticeKind::WarningNotice
        | NoticeKind::WarningSupplement
        | NoticeKind::WarningWithdrawal
        | NoticeKind::InterviewNotice
        | NoticeKind::InterviewSupplement
        | NoticeKind::InterviewCancellation => context.county.addressee(),
    }
}

fn push(text: &mut String, paragraph: &str) {
    text.push_str("　　");
    text.push_str(paragraph);
    text.push('\n');
}

fn plan_name(plan: &Plan) -> String {
    plan.plan.document.clone().unwrap_or_else(|| format!("{}{}年水质考核方案", plan.plan.municipality, plan.plan.year))
}

fn round_body(text: &mut String, kind: NoticeKind, period: Period, sections: &[SectionVerdict], context: Context<'_>) {
    let earlier = context.refers_to.unwrap_or("前次预警通报");
    match kind {
        NoticeKind::WarningWithdrawal => {
            push(text, &format!("经核定更正，{}你单位考核断面均无未达标情形，{earlier}予以撤回。", period.chinese()));
            return;
        }
        NoticeKind::WarningSupplement => push(text, &format!("经核定更正，{earlier}以本通报为准。")),
        NoticeKind::WarningNotice
        | NoticeKind::InterviewNotice
        | NoticeKind::InterviewSupplement
        | NoticeKind::InterviewCancellation
        | NoticeKind::AccountabilityProposal => {}
    }
    let name = plan_name(&context.revision.plan);
    push(text, &format!("依据《{name}》三（二）、三（六）和{}监测数据，以下断面未达到考核要求：", period.chinese()));
    for verdict in sections {
        push(text, &section_line(verdict, context.revision));
    }
}

/// One unmet section: class, target and main pollutants with their multiple against the target.
pub fn section_line(verdict: &SectionVerdict, revision: &PlanRevision) -> String {
    let section = revision.section(&verdict.section);
    let name = section.map_or(verdict.section.as_str(), |section| &section.name);
    let water = section.map_or("", |section| &section.water);
    let class = verdict.class.map_or("—", crate::standard::WaterClass::chinese);
    let target = crate::standard::WaterClass::from(verdict.target).chinese();
    let main: Vec<_> = main_pollutants(&verdict.unmet)
        .into_iter()
        .take(HEADLINE_MAX)
        .map(|unmet| pollutant(unmet, &revision.plan))
        .collect();
    format!(
        "{name}（{water}）：水质{class}类，考核目标{target}类；主要超标指标：{}。参评{}/21项。",
        main.join("、"),
        verdict.evaluated
    )
}

fn pollutant(unmet: &UnmetIndicator, plan: &Plan) -> String {
    let name = unmet.indicator.chinese();
    let value = unmet.value.to_fixed(plan.rules.decimals(unmet.indicator));
    let unit = unmet.indicator.unit();
    match &unmet.multiple {
        Some(multiple) => format!("{name}{value}{unit}（超目标{multiple}倍）"),
        None => format!("{name}{value}{unit}（目标{}）", unmet.limit),
    }
}

fn interview_body(text: &mut String, kind: NoticeKind, raised_by: Period, grounds: &[Ground], context: Context<'_>) {
    match kind {
        NoticeKind::InterviewCancellation => {
            push(text, &format!("经核定更正，{}提出的约谈不再进行。", raised_by.chinese()));
            return;
        }
        NoticeKind::InterviewSupplement => push(text, "约谈事由变更如下："),
        NoticeKind::WarningNotice
        | NoticeKind::WarningSupplement
        | NoticeKind::WarningWithdrawal
        | NoticeKind::InterviewNotice
        | NoticeKind::AccountabilityProposal => {
            let name = plan_name(&context.revision.plan);
            push(text, &format!("下列断面连续达不到考核要求且无改善趋势，依据《{name}》三（六），由市政府进行约谈："));
        }
    }
    for ground in grounds {
        push(text, &ground_line(ground, context));
    }
}

fn ground_line(ground: &Ground, context: Context<'_>) -> String {
    let name = context.revision.section(&ground.section).map_or(ground.section.as_str(), |section| &section.name);
    let cadence = match ground.cadence {
        Cadence::Month => "月度",
        Cadence::Quarter => "季度",
    };
    let periods: Vec<_> = ground.periods.iter().map(|period| period.chinese()).collect();
    format!("{name}：{cadence}考核{}未达标，无改善趋势。", periods.join("、"))
}

fn demands(text: &mut String, kind: NoticeKind, plan: &Plan) {
    let rules = &plan.rules;
    match kind {
        NoticeKind::WarningNotice => push(
            text,
            &format!(
                "请立即排查原因、采取措施，自本通报发出之日起{}个工作日内签收，{}个工作日内书面报送原因和整改措施。",
                rules.acknowledge_working_days, rules.warning_report_working_days
            ),
        ),
        NoticeKind::InterviewNotice => push(
            text,
            &format!(
                "请主要负责人准备书面汇报，约谈时间、地点另行通知；约谈后{}日内书面报送整改情况。",
                rules.interview_report_days
            ),
        ),
        NoticeKind::WarningSupplement
        | NoticeKind::WarningWithdrawal
        | NoticeKind::InterviewSupplement
        | NoticeKind::InterviewCancellation
        | NoticeKind::AccountabilityProposal => {}
    }
}

fn chinese_date(date: jiff::civil::Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escalation::tests::{V, verdict};
    use crate::notice::{DocumentNumber, NoticeEvent, Series};
    use crate::plan::book::RevisionNumber;

    fn revision() -> PlanRevision {
        let plan = serde_json::from_str(
            r#"{"plan":{"id":"p","municipality":"聊城市","year":2020,"time_zone":"Asia/Shanghai","document":"行动计划"},
                "county":[{"id":"c","name":"高唐县","kind":"county"}],
                "section":[{"id":"beihu","name":"高唐北湖","water":"高唐湖","kind":"lake","county":"c",
                            "level":"national","target":"III"}]}"#,
        )
        .expect("a sound plan");
        PlanRevision::new(RevisionNumber(1), "2020-01".parse().expect("a month"), plan)
    }

    fn letter(kind: NoticeKind, subject: Subject) -> Letter {
        let revision = revision();
        let county = "c".parse().expect("valid");
        let drafted = NoticeEvent::NoticeDrafted { kind, county, subject, refers_to: None, parts: 0 };
        let number = DocumentNumber { prefix: "聊环".to_owned(), series: Series::Warning, year: 2020, number: 3 };
        let notice = Notice::evolve(None, &drafted)
            .and_then(|n| Notice::evolve(Some(n), &NoticeEvent::NoticeApproved { number }));
        let context = Context { revision: &revision, county: &revision.plan.county[0], refers_to: None };
        write(&notice.expect("approved"), context)
    }

    #[test]
    fn a_warning_notice_states_class_target_value_and_multiple() {
        let mut section = verdict("beihu", V::At(112));
        section.unmet[0].multiple = Some("0.12".to_owned());
        let subject = Subject::Round { period: "2020-01".parse().expect("period"), sections: vec![section] };
        let letter = letter(NoticeKind::WarningNotice, subject);
        assert_eq!(letter.subject, "关于高唐县2020年1月水质考核的预警通报（聊环预警〔2020〕3号）");
        assert!(letter.text.contains("高唐县人民政府：\n"), "{}", letter.text);
        let line =
            "高唐北湖（高唐湖）：水质Ⅳ类，考核目标Ⅲ类；主要超标指标：氨氮1.120mg/L（超目标0.12倍）。参评4/21项。";
        assert!(letter.text.contains(line), "{}", letter.text);
        assert!(letter.text.contains("15个工作日内"), "{}", letter.text);
    }

    #[test]
    fn a_withdrawal_names_no_section_and_asks_for_nothing() {
        let subject = Subject::Round { period: "2020-Q1".parse().expect("period"), sections: vec![] };
        let letter = letter(NoticeKind::WarningWithdrawal, subject);
        assert!(letter.text.contains("2020年第1季度") && letter.text.contains("予以撤回"), "{}", letter.text);
        assert!(!letter.text.contains("工作日内"), "{}", letter.text);
    }
}
