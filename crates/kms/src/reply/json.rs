//! The two fields of a JSON reply that matter, read into memory that is wiped.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// What was found.
pub(super) struct Fields {
    /// The field that was asked for, if it is a string.
    pub(super) text: Option<Zeroizing<String>>,
    /// `expires_in`, if it is an integer.
    pub(super) expires_in: Option<i64>,
}

impl Fields {
    /// Reads a JSON object; of a field that stands in it twice, the first counts.
    ///
    /// # Errors
    /// Where and why it is none.
    pub(super) fn parse(wanted: &str, body: &[u8]) -> Result<Self, String> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let fields = deserializer.deserialize_map(FieldsVisitor(wanted));
        fields
            .and_then(|fields| deserializer.end().map(|()| fields))
            .map_err(|error| reason(body, &error))
    }
}

/// Says where the text is no JSON, in the words that test suites of drivers look for.
fn reason(body: &[u8], error: &serde_json::Error) -> String {
    let lines_before = error.line().saturating_sub(1);
    let line_start = body
        .split_inclusive(|byte| *byte == b'\n')
        .take(lines_before)
        .map(<[u8]>::len)
        .sum::<usize>();
    let position = line_start + error.column().saturating_sub(1);
    let found = body.get(position).map_or(String::new(), |byte| char::from(*byte).to_string());
    let text = match error.classify() {
        // These words quote the value that was found instead of an object.
        serde_json::error::Category::Data => "not a JSON object".to_owned(),
        _ => error.to_string(),
    };
    let text = text.split(" at line ").next().unwrap_or_default();
    format!("Got parse error at \"{found}\", position {position}: \"{text}\"")
}

struct FieldsVisitor<'w>(&'w str);

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let (mut text, mut expires_in) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            if name == self.0 && text.is_none() {
                text = Some(map.next_value::<Scalar>()?);
            } else if name == "expires_in" && expires_in.is_none() {
                expires_in = Some(map.next_value::<Scalar>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Fields {
            text: text.and_then(|value| match value {
                Scalar::Text(text) => Some(text),
                _ => None,
            }),
            expires_in: expires_in.and_then(|value| match value {
                Scalar::Integer(number) => Some(number),
                _ => None,
            }),
        })
    }
}

/// A string, an integer, or whatever else, which is skipped.
enum Scalar {
    Text(Zeroizing<String>),
    Integer(i64),
    Other,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Integer))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}
