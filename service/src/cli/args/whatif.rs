//! Options of a what-if question.

use bishui_domain::indicator::Indicator;
use bishui_domain::standard::Target;
use clap::Args;

use crate::whatif::{Span, parse_percent, parse_span};

#[derive(Debug, Args)]
pub(in crate::cli) struct WhatIfArgs {
    /// Year (2020), month (2020-01) or quarter (2020-Q1)
    #[arg(value_parser = parse_span)]
    pub(in crate::cli) span: Span,
    /// This target for every section: I II III IV V
    #[arg(long, value_parser = target)]
    pub(in crate::cli) target: Option<Target>,
    /// Measured values of an indicator at so many percent of what they are, for example nh3n=80
    #[arg(long, value_name = "INDICATOR=PERCENT", value_parser = parse_percent)]
    pub(in crate::cli) change: Vec<(Indicator, u32)>,
}

fn target(text: &str) -> Result<Target, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("`{text}` is no target class: I II III IV V"))
}
