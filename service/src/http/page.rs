//! Pages of lists: `limit` and a cursor `after`, with the next page named in a `Link` header (RFC 8288).

use std::fmt::{Display, Write as _};
use std::str::FromStr;

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::problem::HttpError;

/// Entries in a page when the query names no number.
const LIMIT_DEFAULT: usize = 100;
/// Most entries in a page.
pub(super) const LIMIT_MAX: usize = 500;

/// Which page of a list.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Entries in a page, 1 to 500; 100 when absent.
    limit: Option<usize>,
    /// The cursor that the `Link` header of the page before names.
    after: Option<String>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> Result<usize, HttpError> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(HttpError::Malformed(format!("limit lies in 1 to {LIMIT_MAX}")))
    }

    pub(super) fn cursor<K: FromStr>(&self) -> Result<Option<K>, HttpError> {
        let parsed = self.after.as_deref().map(str::parse).transpose();
        parsed.map_err(|_| HttpError::Malformed("after holds no cursor of this list".to_owned()))
    }

    /// The page of `items`, which are sorted by `key`; `rest` is the query of the list apart from the page.
    pub(super) fn cut<T, K>(
        &self,
        items: Vec<T>,
        path: &str,
        rest: &[(&str, Option<String>)],
        key: impl Fn(&T) -> K,
    ) -> Result<Response, HttpError>
    where
        T: Serialize,
        K: Ord + FromStr + Display,
    {
        self.cut_keyed(items.into_iter().map(|item| (key(&item), item)).collect(), path, rest)
    }

    /// The page of `items`, which are sorted by the key that each comes with.
    pub(super) fn cut_keyed<T, K>(
        &self,
        items: Vec<(K, T)>,
        path: &str,
        rest: &[(&str, Option<String>)],
    ) -> Result<Response, HttpError>
    where
        T: Serialize,
        K: Ord + FromStr + Display,
    {
        let (limit, after) = (self.limit()?, self.cursor::<K>()?);
        let mut page: Vec<(K, T)> =
            items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|(key, _)| key.to_string());
        let page: Vec<T> = page.into_iter().map(|(_, item)| item).collect();
        Ok(answer(page, limit, next, path, rest))
    }
}

/// A page with the link to the next one.
pub(super) fn answer(
    body: impl Serialize,
    limit: usize,
    next: Option<String>,
    path: &str,
    rest: &[(&str, Option<String>)],
) -> Response {
    let mut response = Json(body).into_response();
    if let Some(next) = next {
        let mut query = format!("limit={limit}&after={}", encoded(&next));
        for (name, value) in rest {
            if let Some(value) = value {
                // Writing to a String does not fail.
                let _ = write!(query, "&{name}={}", encoded(value));
            }
        }
        let link = format!("<{path}?{query}>; rel=\"next\"");
        let link = HeaderValue::from_str(&link).expect("a percent-encoded link is a plain header value");
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Percent-encoding of everything that is not unreserved (RFC 3986).
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
