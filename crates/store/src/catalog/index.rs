//! Index specifications: what `createIndexes` may ask for.

use std::sync::Arc;

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use fieldveil_query::collation::{Collation, ORDER_VERSION};

use super::whole_number;
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::index_key::extract::KeyField;
use crate::partial::PartialFilter;
use crate::render::render;

/// The name of the index that every collection has.
pub(crate) const ID_INDEX_NAME: &str = "_id_";

/// The longest time to live, in seconds (MongoDB's limit).
const EXPIRE_AFTER_MAX: i64 = i32::MAX as i64;

/// An index and where it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Names the index table.
    pub(crate) id: u64,
    pub(crate) spec: IndexSpec,
    /// For each field, whether some document had an array on its path.
    pub(crate) multikey: Vec<bool>,
    /// The version of the order of its strings, if it has a collation.
    pub(crate) order: i64,
}

impl Index {
    /// Whether its keys are ordered otherwise than this version orders them.
    pub(crate) fn is_outdated(&self) -> bool {
        self.spec.collation.is_some() && self.order != ORDER_VERSION
    }
}

/// What an index is to be.
#[derive(Clone, Debug)]
pub(crate) struct IndexSpec {
    pub(crate) name: String,
    /// The `key` document as given.
    pub(crate) key: RawDocumentBuf,
    pub(crate) fields: Vec<KeyField>,
    pub(crate) unique: bool,
    pub(crate) sparse: bool,
    pub(crate) hidden: bool,
    pub(crate) partial: Option<PartialFilter>,
    pub(crate) expire_after_secs: Option<i64>,
    /// How its strings are ordered; by bytes without.
    pub(crate) collation: Option<Arc<Collation>>,
    /// The specification as `listIndexes` shows it.
    pub(crate) document: RawDocumentBuf,
}

impl IndexSpec {
    /// The index on `_id` of a collection with this (complete) collation.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn id_index(collation: Option<&RawDocument>) -> Result<Self> {
        let key = bson::rawdoc! {"_id": 1};
        let mut document = bson::rawdoc! {"v": 2, "key": key.clone(), "name": ID_INDEX_NAME};
        if let Some(collation) = collation {
            document.append(cstr!("collation"), collation.to_owned());
        }
        Ok(Self {
            name: ID_INDEX_NAME.into(),
            fields: vec![KeyField::new("_id", false)],
            unique: true,
            sparse: false,
            hidden: false,
            partial: None,
            expire_after_secs: None,
            collation: compiled(collation)?,
            document,
            key,
        })
    }

    pub(crate) fn is_id_index(&self) -> bool {
        self.name == ID_INDEX_NAME
    }

    /// Reads a specification.
    ///
    /// # Errors
    /// The codes of MongoDB's `createIndexes`.
    pub(crate) fn parse(spec: &RawDocument) -> Result<Self> {
        Parser { spec }.parse()
    }
}

struct Parser<'a> {
    spec: &'a RawDocument,
}

impl Parser<'_> {
    fn parse(&self) -> Result<IndexSpec> {
        let (mut key, mut name, mut partial, mut expire_after_secs) = (None, None, None, None);
        let (mut unique, mut sparse, mut hidden) = (false, false, false);
        let mut collation = None;
        let mut rest = RawDocumentBuf::new();
        for field in self.spec.iter() {
            let (field, value) = field?;
            match field.as_str() {
                "key" => {
                    let document = value
                        .as_document()
                        .ok_or_else(|| self.wrong_type("key", "object", value))?;
                    key = Some(document.to_owned());
                    continue;
                }
                "name" => {
                    let text =
                        value.as_str().ok_or_else(|| self.wrong_type("name", "string", value))?;
                    name = Some(text.to_owned());
                    continue;
                }
                // Older versions of the format are accepted and stored as the present one.
                "v" | "ns" | "dropDups" => continue,
                // Means nothing, and is shown as it was given.
                "background" => {
                    rest.append(field, value);
                    continue;
                }
                "unique" => unique = self.flag("unique", value)?,
                "sparse" => sparse = self.flag("sparse", value)?,
                "hidden" => hidden = self.flag("hidden", value)?,
                "expireAfterSeconds" => {
                    expire_after_secs = Some(expire_after(value)?);
                }
                "partialFilterExpression" => {
                    let filter = value.as_document().ok_or_else(|| {
                        self.wrong_type("partialFilterExpression", "object", value)
                    })?;
                    partial = Some(filter);
                }
                "collation" => {
                    collation = crate::collation::read(value)?;
                    continue;
                }
                "storageEngine" | "clustered" | "prepareUnique" => {
                    return Err(StoreError::new(
                        Code::CANNOT_CREATE_INDEX,
                        format!("the index option '{field}' is not supported"),
                    ));
                }
                other => {
                    return Err(StoreError::new(
                        Code::INVALID_INDEX_SPECIFICATION_OPTION,
                        format!(
                            "The field '{other}' is not valid for an index specification. \
                             Specification: {}",
                            render(self.spec)
                        ),
                    ));
                }
            }
            // An option that says what is so anyway is not shown.
            if value != RawBsonRef::Boolean(false) {
                rest.append(field, value);
            }
        }
        let key = key.ok_or_else(|| self.required("key"))?;
        let name = name.ok_or_else(|| self.required("name"))?;
        let fields = parse_key(&key)?;
        let is_plain_id = |field: &KeyField| *field == KeyField::new("_id", false);
        let is_id = fields.len() == 1 && fields.iter().all(is_plain_id);
        if is_id {
            return self.check_id_index(&name, collation.as_deref());
        }
        if name.is_empty() || name == ID_INDEX_NAME || name == "*" || name.contains('\0') {
            return Err(bad_name(&name));
        }
        if unique && fields.iter().any(|field| field.hashed) {
            return Err(StoreError::new(
                Code::location(16764),
                "Currently hashed indexes cannot guarantee uniqueness. Use a regular index.",
            ));
        }
        if sparse && partial.is_some() {
            return Err(cannot("cannot mix \"partialFilterExpression\" and \"sparse\" options"));
        }
        if expire_after_secs.is_some() && fields.len() > 1 {
            return Err(cannot(
                "TTL indexes are single-field indexes, compound indexes do not support TTL. \
                 Remove expireAfterSeconds or use an index on one field",
            ));
        }
        let mut document = bson::rawdoc! {"v": 2, "key": key.clone(), "name": name.clone()};
        for field in rest.iter() {
            let (field, value) = field?;
            document.append(field, value);
        }
        let order = compiled(collation.as_deref())?;
        let partial =
            partial.map(|filter| PartialFilter::parse(filter, order.clone())).transpose()?;
        if let Some(collation) = collation {
            document.append(cstr!("collation"), collation);
        }
        Ok(IndexSpec {
            name,
            key,
            fields,
            unique,
            sparse,
            hidden,
            partial,
            expire_after_secs,
            collation: order,
            document,
        })
    }

    /// The `_id` index exists already; asking for it with other options is an error.
    fn check_id_index(&self, name: &str, collation: Option<&RawDocument>) -> Result<IndexSpec> {
        for field in self.spec.iter() {
            let (field, _) = field?;
            if !matches!(field.as_str(), "key" | "name" | "v" | "ns" | "collation") {
                return Err(StoreError::new(
                    Code::INVALID_INDEX_SPECIFICATION_OPTION,
                    format!(
                        "The field '{field}' is not valid for an _id index specification. \
                         Specification: {}",
                        render(self.spec)
                    ),
                ));
            }
        }
        if name.is_empty() || name == "*" {
            return Err(bad_name(name));
        }
        IndexSpec::id_index(collation)
    }

    fn flag(&self, name: &str, value: RawBsonRef<'_>) -> Result<bool> {
        match value {
            RawBsonRef::Boolean(flag) => Ok(flag),
            other => whole_number(other)
                .map(|number| number != 0)
                .ok_or_else(|| self.wrong_type(name, "bool", value)),
        }
    }

    fn required(&self, name: &str) -> StoreError {
        StoreError::new(
            Code::FAILED_TO_PARSE,
            format!("The '{name}' field is a required property of an index specification"),
        )
    }

    fn wrong_type(&self, name: &str, expected: &str, value: RawBsonRef<'_>) -> StoreError {
        StoreError::new(
            Code::TYPE_MISMATCH,
            format!(
                "The field '{name}' must be of type {expected}, but got {:?}",
                value.element_type()
            ),
        )
    }
}

/// The order that a collation document describes.
fn compiled(collation: Option<&RawDocument>) -> Result<Option<Arc<Collation>>> {
    let parsed = collation.map(Collation::parse).transpose()?;
    Ok(parsed.flatten().map(Arc::new))
}

fn expire_after(value: RawBsonRef<'_>) -> Result<i64> {
    let seconds = whole_number(value).ok_or_else(|| {
        StoreError::new(
            Code::TYPE_MISMATCH,
            "TTL index 'expireAfterSeconds' option must be numeric",
        )
    })?;
    if !(0..=EXPIRE_AFTER_MAX).contains(&seconds) {
        return Err(cannot(format!(
            "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a \
             number between 0 and {EXPIRE_AFTER_MAX}"
        )));
    }
    Ok(seconds)
}

/// Reads `{field: 1, -1 or "hashed", ...}`. A hashed field keeps its values in their order, as any
/// other does: that answers whatever hashes would answer.
fn parse_key(key: &RawDocument) -> Result<Vec<KeyField>> {
    let mut fields: Vec<KeyField> = Vec::new();
    for field in key.iter() {
        let (path, direction) = field?;
        let path = path.as_str();
        let is_hashed = direction == RawBsonRef::String("hashed");
        let descending = match direction {
            RawBsonRef::String("hashed") if fields.iter().any(|field| field.hashed) => {
                return Err(StoreError::new(
                    Code::location(31303),
                    format!(
                        "A maximum of one index field is allowed to be hashed but found 2 for \
                         'key' {}",
                        render(key)
                    ),
                ));
            }
            RawBsonRef::String("hashed") => false,
            RawBsonRef::String(kind) => {
                return Err(cannot(format!(
                    "Unknown index plugin '{kind}': only ascending (1), descending (-1) and \
                     hashed indexes are supported, not {}",
                    render(key)
                )));
            }
            RawBsonRef::Double(number) if number.is_nan() => {
                return Err(cannot("Values in the index key pattern cannot be NaN."));
            }
            RawBsonRef::Double(number) if number != 0.0 => number < 0.0,
            other => match whole_number(other) {
                Some(0) => return Err(cannot("Values in the index key pattern cannot be 0.")),
                Some(number) => number < 0,
                None => {
                    return Err(cannot(format!(
                        "Values in v:2 index key pattern must be numbers or strings: {}",
                        render(key)
                    )));
                }
            },
        };
        if path == "$**" || path.ends_with(".$**") {
            return Err(cannot("wildcard indexes are not supported"));
        }
        if path.is_empty() || path.split('.').any(str::is_empty) {
            return Err(cannot("Index keys cannot contain an empty field."));
        }
        if path.split('.').any(|part| part.starts_with('$') && !is_reference(part)) {
            return Err(cannot(
                "Index key contains an illegal field name: field name starts with '$'.",
            ));
        }
        if fields.iter().any(|field| field.path == path) {
            return Err(cannot(format!("index key {} names {path} twice", render(key))));
        }
        fields.push(KeyField { hashed: is_hashed, ..KeyField::new(path, descending) });
    }
    match fields.len() {
        0 => Err(cannot("Index keys cannot be an empty object.")),
        1..=32 => Ok(fields),
        _ => Err(cannot("Index key pattern too large: at most 32 fields")),
    }
}

/// Parts of a DBRef may be indexed.
fn is_reference(part: &str) -> bool {
    matches!(part, "$id" | "$ref" | "$db")
}

fn cannot(message: impl Into<String>) -> StoreError {
    StoreError::new(Code::CANNOT_CREATE_INDEX, message)
}

fn bad_name(name: &str) -> StoreError {
    match name {
        "" => cannot("index name cannot be empty"),
        "*" => StoreError::bad_value("The index name '*' is not valid."),
        _ => StoreError::bad_value(format!("The index name '{name}' is reserved")),
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn options_are_kept_in_order() {
        let spec = rawdoc! {
            "key": {"a": 1, "b.c": -1}, "name": "x", "v": 1, "unique": true, "sparse": false
        };
        let spec = IndexSpec::parse(&spec).unwrap();
        let expected = rawdoc! {
            "v": 2, "key": {"a": 1, "b.c": -1}, "name": "x", "unique": true
        };
        assert_eq!(spec.document, expected);
        assert!(spec.unique && !spec.sparse);
        assert!(spec.fields[1].descending);
    }

    #[test]
    fn faults_have_their_codes() {
        let cases = [
            (rawdoc! {"name": "x"}, 9),
            (rawdoc! {"key": {"a": 1}}, 9),
            (rawdoc! {"key": {}, "name": "x"}, 67),
            (rawdoc! {"key": {"a": 0}, "name": "x"}, 67),
            (rawdoc! {"key": {"a": "text"}, "name": "x"}, 67),
            (rawdoc! {"key": {"a..b": 1}, "name": "x"}, 67),
            (rawdoc! {"key": {"a": 1}, "name": "x", "what": 1}, 197),
            (rawdoc! {"key": {"_id": 1}, "name": "_id_", "unique": true}, 197),
            (rawdoc! {"key": {"a": 1, "b": 1}, "name": "x", "expireAfterSeconds": 5}, 67),
            (rawdoc! {"key": {"a": 1}, "name": "x", "expireAfterSeconds": -1}, 67),
        ];
        for (spec, code) in cases {
            assert_eq!(IndexSpec::parse(&spec).unwrap_err().code(), code, "{spec:?}");
        }
    }
}
