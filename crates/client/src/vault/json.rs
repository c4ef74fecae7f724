//! One text in a JSON reply, read into memory that is wiped.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// The text at `path`, one member of an object after the other; `None` if there is none.
pub(super) fn text_at(body: &[u8], path: &[&str]) -> Option<Zeroizing<String>> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let found = At(path).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    found
}

struct At<'p>(&'p [&'p str]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<Zeroizing<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<Zeroizing<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| Zeroizing::new(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            match self.0.split_first() {
                Some((first, rest)) if *first == name => found = map.next_value_seed(At(rest))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(body: &str, path: &[&str]) -> Option<String> {
        text_at(body.as_bytes(), path).map(|text| text.to_string())
    }

    #[test]
    fn the_text_at_the_end_of_the_path_is_found() {
        let body = r#"{"a": [1], "data": {"data": {"k\u0065y": "v\n", "n": 1}, "x": null}}"#;
        assert_eq!(at(body, &["data", "data", "key"]).as_deref(), Some("v\n"));
        for path in [&["data", "data", "n"][..], &["data"], &["data", "key"], &["x"], &[]] {
            assert_eq!(at(body, path), None, "{path:?}");
        }
    }

    #[test]
    fn every_prefix_and_whatever_follows_is_nothing() {
        let body = r#"{"data": {"plaintext": "v"}}"#;
        for end in 0..body.len() {
            assert_eq!(at(&body[..end], &["data", "plaintext"]), None, "{end}");
        }
        assert_eq!(at(&format!("{body} x"), &["data", "plaintext"]), None);
    }
}
