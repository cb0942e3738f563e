//! JSON that can be read in one way only: no name stands twice in an object, and an object has the names that are
//! expected.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{Or as _, Rejected, reject};

/// Reads JSON, of which readers that keep the first or the last of two equal names would see the same.
///
/// # Errors
/// It is none, or a name stands twice.
pub(crate) fn read(json: &[u8]) -> Result<Value, Rejected> {
    Ok(serde_json::from_slice::<Plain>(json).or_reject("no plain JSON")?.0)
}

/// The fields of an object, which are those of these names.
///
/// # Errors
/// It is no object, or one with more or other fields.
pub(crate) fn fields<'a>(value: &'a Value, names: &[&str]) -> Result<&'a Map<String, Value>, Rejected> {
    let fields = value.as_object().or_reject("no object where one belongs")?;
    let exactly = fields.len() == names.len() && names.iter().all(|name| fields.contains_key(*name));
    if exactly { Ok(fields) } else { reject(format!("the fields are not {}", names.join(", "))) }
}

/// A value that was built name by name: serde's own would keep the last of two, and take some names for instructions.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Plain(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Plain(value))) = entries.next_entry::<String, _>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name:?} stands twice")));
            }
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_it_stands() {
        let text = r#"{"a":[null,true,1,-1,1.5,"b\n"],"c":{"a":{}}}"#;
        assert_eq!(read(text.as_bytes()).unwrap().to_string(), text);
        let token = r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#;
        assert_eq!(read(token.as_bytes()).unwrap().to_string(), token);
    }

    #[test]
    fn a_name_that_stands_twice_is_rejected_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"b":{"a":1,"c":2,"a":3}}]"#] {
            let Rejected(why) = read(text.as_bytes()).unwrap_err();
            assert!(why.starts_with("no plain JSON: \"a\" stands twice"), "{why}");
        }
        read(br#"{"a":1}}"#).unwrap_err();
    }

    #[test]
    fn an_object_has_the_fields_of_these_names_and_no_other() {
        let found = |text: &str| fields(&read(text.as_bytes()).unwrap(), &["a", "b"]).is_ok();
        assert!(found(r#"{"b":1,"a":2}"#));
        for text in [r#"{"a":1}"#, r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"c":2}"#, r#"["a","b"]"#] {
            assert!(!found(text), "{text}");
        }
    }
}
