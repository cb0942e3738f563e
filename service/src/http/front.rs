//! The front page: what is published, in counts, and where the interface is described. Anyone may see it.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Html;

use super::App;
use super::problem::HttpError;
use crate::view::Scope;
use crate::view::rounds::{RoundView, rounds};

/// Shows the published rounds. The rows hold numbers and periods only, so nothing needs escaping.
pub(super) async fn front(State(app): State<App>) -> Result<Html<String>, HttpError> {
    app.office.advance_for_readers().await.map_err(HttpError::Office)?;
    let published = rounds(&app.office.register(), &Scope::City);
    Ok(Html(page(&published)))
}

fn page(published: &[RoundView]) -> String {
    let mut rows = String::new();
    for round in published {
        let RoundView { period, met, unmet, unassessed, .. } = round;
        let row =
            format_args!("<tr><th scope=\"row\">{period}</th><td>{met}</td><td>{unmet}</td><td>{unassessed}</td></tr>");
        writeln!(rows, "{row}").expect("a string takes everything");
    }
    format!(
        "<!doctype html>\n<html lang=\"zh-CN\">\n<head><meta charset=\"utf-8\"><title>碧水 Bishui</title></head>\n<body>\n\
         <main>\n<h1>碧水 Bishui</h1>\n\
         <p>水质断面考核、预警、约谈、问责建议与生态赔偿。接口说明见 \
         <a href=\"/api/v1/openapi.json\">OpenAPI</a>；运行状态见 <a href=\"/readyz\">readyz</a>、\
         <a href=\"/metrics\">metrics</a>。</p>\n\
         <table>\n<caption>已公布的考核（断面数）</caption>\n<thead><tr><th scope=\"col\">考核期</th>\
         <th scope=\"col\">达标</th><th scope=\"col\">未达标</th><th scope=\"col\">未评价</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</main>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_round_has_a_row_with_its_counts() {
        let round: RoundView = serde_json::from_value(serde_json::json!({
            "period": "2020-01", "cadence": "month", "published_at": "2020-02-06T02:00:00Z", "published_by": "a",
            "met": 20, "unmet": 1, "unassessed": 2, "corrections": null
        }))
        .expect("a round");
        let page = page(&[round]);
        assert!(page.contains("<th scope=\"row\">2020-01</th><td>20</td><td>1</td><td>2</td>"), "{page}");
    }
}
