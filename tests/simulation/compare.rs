//! The comparison of the service's end state with the model's, key by key.

use std::collections::BTreeMap;

use serde_json::Value;

/// The keys that both derive.
const KEYS: [&str; 7] = ["refusals", "verdicts", "warnings", "interviews", "proposals", "charges", "settlement"];

/// The first difference, in words; `None` where both agree.
pub(crate) fn difference(service: &Value, model: &Value) -> Option<String> {
    KEYS.iter().find_map(|key| differs(key, &settled(key, &service[key]), &settled(key, &model[key])))
}

/// What the contract leaves open is put into one form: the order of unmet indicators and of grounds, and the grounds
/// that a cancelled or lost interview shows.
fn settled(key: &str, value: &Value) -> Value {
    let mut value = value.clone();
    for line in value.as_array_mut().into_iter().flatten() {
        let stands = line["status"] != "cancelled" && line["grounds_lost"] == false;
        if key == "interviews" && !stands {
            line["grounds"] = Value::Null;
        }
        if key == "proposals" && line["status"] == "withdrawn" {
            line["held_on"] = Value::Null;
        }
        for list in ["grounds", "unmet"] {
            if let Some(list) = line.get_mut(list).and_then(Value::as_array_mut) {
                list.sort_by_key(ToString::to_string);
            }
        }
    }
    value
}

fn differs(path: &str, service: &Value, model: &Value) -> Option<String> {
    if service == model {
        return None;
    }
    match (service, model) {
        (Value::Array(one), Value::Array(other)) => {
            let longest = one.len().max(other.len());
            (0..longest).find_map(|index| {
                let of = |list: &[Value]| list.get(index).cloned().unwrap_or(Value::Null);
                let (one, other) = (of(one), of(other));
                (one != other).then(|| format!("{path}[{index}]\n  service: {one}\n  model:   {other}"))
            })
        }
        _ => Some(format!("{path}\n  service: {service}\n  model:   {model}")),
    }
}

/// Every round and county whose warning was ever raised has a mail of that kind, and no other has one. How many is not
/// compared: whether a warning raised again is a new notice is left open.
pub(crate) fn warning_mails(service: &Value) -> Option<String> {
    let key = |line: &Value| format!("{} {} {}", line["cadence"], line["period"], line["county"]);
    let of = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let mut mails: BTreeMap<String, usize> = BTreeMap::new();
    for mail in of(&service["mails"]).iter().filter(|mail| mail["kind"] == "warning_notice") {
        *mails.entry(key(mail)).or_default() += 1;
    }
    let raised: Vec<String> = of(&service["warnings"]).iter().map(key).collect();
    let unknown = mails.keys().find(|mail| !raised.contains(mail));
    if let Some(unknown) = unknown {
        return Some(format!("a mail without its warning: {unknown}"));
    }
    raised.iter().find(|one| !mails.contains_key(*one)).map(|one| format!("a warning without its mail: {one}"))
}
