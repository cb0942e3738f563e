//! The table in Markdown.

use bishui::bench::Report;

const HEAD: &str = "\
| share of the bare disk | 1 writer | 64 writers | batches of 100 | replay | p99 ms, 1 / 64 writers (bare) | open s \
| bytes an event | peak MB, load / replay |
|---|---|---|---|---|---|---|---|---|
";

/// One row a store: shares of the bare disk in the same run, and what it takes.
pub(crate) fn markdown(reports: &[Report]) -> String {
    let rows: String = reports.iter().map(row).collect();
    let limit = reports.first().map(|report| {
        let limit = &report.limit;
        format!(
            "\nBare disk beside the first row, events/s: {:.0} with 1 writer, {:.0} with 64, {:.0} in batches of 100, \
             {:.0} in replay.\n",
            limit.one, limit.group, limit.batch, limit.replay
        )
    });
    format!("{HEAD}{rows}{}", limit.unwrap_or_default())
}

fn row(report: &Report) -> String {
    let (ratio, own, bare, peak) = (&report.ratio, &report.p99_ms, &report.limit_p99_ms, &report.peak_mb);
    format!(
        "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} / {:.2} ({:.2} / {:.2}) | {:.2} | {:.0} | {:.0} / {:.0} |\n",
        report.store,
        ratio.one,
        ratio.group,
        ratio.batch,
        ratio.replay,
        own.one,
        own.group,
        bare.one,
        bare.group,
        report.open_s,
        report.bytes_per_event,
        peak.load,
        peak.replay,
    )
}
