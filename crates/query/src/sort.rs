//! Sort patterns.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};

use crate::document::{put, single};
use crate::value::{Number, is_truthy};
use crate::{FieldPath, QueryError};

/// A sort pattern: keys from the most to the least significant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sort {
    /// Empty where the command gave `{}`.
    pub keys: Vec<SortKey>,
}

/// One key of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// What is compared; `$natural` for storage order.
    pub path: FieldPath,
    /// Which way.
    pub order: SortOrder,
}

/// The direction of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortOrder {
    /// `1`
    Ascending,
    /// `-1`
    Descending,
    /// `{ $meta: "textScore" }`
    Meta(String),
}

impl Sort {
    /// Parses a pattern.
    ///
    /// # Errors
    /// 15974, 15975 and 17312 with the server's texts.
    pub fn parse(document: &RawDocument) -> Result<Self, QueryError> {
        let mut keys: Vec<SortKey> = Vec::new();
        for element in document.iter() {
            let (name, value) = element?;
            let name = name.as_str();
            let path = match name {
                "$natural" => FieldPath::new(name),
                _ => FieldPath::parse_strict(name)?,
            };
            if keys.iter().any(|key| key.path == path) {
                return Err(QueryError::new(7472500, format!("Duplicate sort key: {name}")));
            }
            keys.push(SortKey { path, order: order(name, value)? });
        }
        if keys.len() > 32 {
            return Err(QueryError::bad_value("too many compound keys"));
        }
        Ok(Self { keys })
    }

    /// Whether there is nothing to sort by.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// `1` or `-1` if the pattern is `{ $natural: .. }`.
    pub fn natural(&self) -> Option<i32> {
        match self.keys.as_slice() {
            [key] if key.path.as_str() == "$natural" => {
                Some(if key.order == SortOrder::Descending { -1 } else { 1 })
            }
            _ => None,
        }
    }

    /// Prints the pattern.
    pub fn to_raw(&self) -> RawDocumentBuf {
        let mut document = RawDocumentBuf::new();
        for key in &self.keys {
            match &key.order {
                SortOrder::Ascending => put(&mut document, key.path.as_str(), 1),
                SortOrder::Descending => put(&mut document, key.path.as_str(), -1),
                SortOrder::Meta(what) => {
                    put(&mut document, key.path.as_str(), &single("$meta", what.as_str()));
                }
            }
        }
        document
    }
}

fn order(name: &str, value: RawBsonRef<'_>) -> Result<SortOrder, QueryError> {
    if let RawBsonRef::Document(document) = value {
        let mut fields = document.iter().flatten();
        return match (fields.next(), fields.next()) {
            (Some((key, RawBsonRef::String(what))), None) if key.as_str() == "$meta" => {
                Ok(SortOrder::Meta(what.to_owned()))
            }
            _ => Err(QueryError::new(
                17312,
                "$meta is the only expression supported by $sort right now",
            )),
        };
    }
    let Some(number) = Number::new(value) else {
        return Err(QueryError::new(
            15974,
            format!("Illegal key in $sort specification: {name}: {}", type_name(value)),
        ));
    };
    // A fraction counts by its sign in old index patterns, but not here.
    match number.to_i64_exact() {
        Some(1) => Ok(SortOrder::Ascending),
        Some(-1) => Ok(SortOrder::Descending),
        _ => Err(QueryError::new(
            15975,
            format!(
                "$sort key ordering must be 1 (for ascending) or -1 (for descending), not that of \
                 '{name}'{}",
                if is_truthy(value) { "" } else { ", which is zero" }
            ),
        )),
    }
}

fn type_name(value: RawBsonRef<'_>) -> &'static str {
    crate::value::BsonType::of(value).name()
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn patterns_print_as_read() {
        let sort = Sort::parse(&rawdoc! { "a.b": 1, "c": -1.0, "d": { "$meta": "textScore" } });
        let sort = sort.unwrap();
        assert_eq!(sort.to_raw(), rawdoc! { "a.b": 1, "c": -1, "d": { "$meta": "textScore" } });
        assert_eq!(Sort::parse(&rawdoc! { "$natural": -1 }).unwrap().natural(), Some(-1));
    }

    #[test]
    fn faults() {
        for (document, code) in [
            (rawdoc! { "a": 0 }, 15975),
            (rawdoc! { "a": 2 }, 15975),
            (rawdoc! { "a": "x" }, 15974),
            (rawdoc! { "a": { "$foo": 1 } }, 17312),
            (rawdoc! { "a..b": 1 }, 15998),
        ] {
            assert_eq!(Sort::parse(&document).unwrap_err().code(), code, "{document:?}");
        }
    }
}
