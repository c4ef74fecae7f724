//! The fields of a command, read by name, with the server's complaints about them.

use std::cell::Cell;

use bson::{RawArray, RawBsonRef, RawDocument, spec::ElementType};

use crate::{codes, error::CommandError};

/// Fields that every command takes.
pub(crate) const GENERIC: &[&str] = &[
    "$audit",
    "$client",
    "$clusterTime",
    "$configServerState",
    "$configTime",
    "$db",
    "$oplogQueryData",
    "$queryOptions",
    "$readPreference",
    "$replData",
    "$tenant",
    "$topologyTime",
    "allowImplicitCollectionCreation",
    "apiDeprecationErrors",
    "apiStrict",
    "apiVersion",
    "autocommit",
    "comment",
    "coordinator",
    "databaseVersion",
    "expectPrefix",
    "help",
    "lsid",
    "maxTimeMS",
    "maxTimeMSOpOnly",
    "mayBypassWriteBlocking",
    "readConcern",
    "requestGossipRoutingCache",
    "rawData",
    "serialization_context",
    "shardVersion",
    "startTransaction",
    "stmtId",
    "stmtIds",
    "tracking_info",
    "txnNumber",
    "txnRetryCounter",
    "writeConcern",
];

/// A command's fields. Reading one marks it as known; [`Arguments::finish`] refuses the rest.
pub(crate) struct Arguments<'a> {
    command: &'a str,
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    name: &'a str,
    value: RawBsonRef<'a>,
    is_known: Cell<bool>,
}

impl<'a> Arguments<'a> {
    /// The fields of `body`; `command` names it in errors, as in `insert` or `update.updates`.
    ///
    /// # Errors
    /// A field that is given twice.
    pub(crate) fn new(command: &'a str, body: &'a RawDocument) -> Result<Self, CommandError> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        for element in body.iter() {
            let (name, value) = element
                .map_err(|error| CommandError::new(codes::INVALID_BSON, error.to_string()))?;
            let name = name.as_str();
            if fields.iter().any(|field| field.name == name) {
                return Err(CommandError::new(
                    codes::DUPLICATE_FIELD,
                    format!("BSON field '{command}.{name}' is a duplicate field"),
                ));
            }
            fields.push(Field { name, value, is_known: Cell::new(false) });
        }
        Ok(Self { command, fields })
    }

    /// The value of a field; null counts as absent, as it does for the server's optional fields.
    pub(crate) fn value(&self, name: &str) -> Option<RawBsonRef<'a>> {
        self.present(name)
            .filter(|value| !matches!(value, RawBsonRef::Null | RawBsonRef::Undefined))
    }

    /// The value of a field, null included.
    pub(crate) fn present(&self, name: &str) -> Option<RawBsonRef<'a>> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        field.is_known.set(true);
        Some(field.value)
    }

    /// Whether a field is there, without taking note of it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// Fields that are legal and have no effect here.
    pub(crate) fn ignore(&self, names: &[&str]) {
        for field in self.fields.iter().filter(|field| names.contains(&field.name)) {
            field.is_known.set(true);
        }
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<&'a str>, CommandError> {
        self.typed(name, "string", |value| value.as_str())
    }

    pub(crate) fn document(&self, name: &str) -> Result<Option<&'a RawDocument>, CommandError> {
        self.typed(name, "object", |value| value.as_document())
    }

    pub(crate) fn array(&self, name: &str) -> Result<Option<&'a RawArray>, CommandError> {
        self.typed(name, "array", |value| value.as_array())
    }

    /// A boolean, or a number that stands for one.
    pub(crate) fn bool(&self, name: &str) -> Result<Option<bool>, CommandError> {
        self.typed(name, "[bool, long, int, decimal, double]", |value| match value {
            RawBsonRef::Boolean(value) => Some(value),
            value => number(value).map(|number| number != 0.0),
        })
    }

    /// A number without a fraction, of any numeric type; fractions are cut off.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, CommandError> {
        self.typed(name, "[long, int, decimal, double]", integer)
    }

    /// A number that must not be negative.
    pub(crate) fn unsigned(&self, name: &str) -> Result<Option<u64>, CommandError> {
        let Some(value) = self.integer(name)? else { return Ok(None) };
        u64::try_from(value).map(Some).map_err(|_| {
            CommandError::new(
                51024,
                format!("BSON field '{name}' value must be >= 0, actual value '{value}'"),
            )
        })
    }

    /// A field that must be there.
    pub(crate) fn required<T>(
        &self,
        name: &str,
        value: Result<Option<T>, CommandError>,
    ) -> Result<T, CommandError> {
        value?.ok_or_else(|| self.missing(name))
    }

    /// The complaint that a required field is not there.
    pub(crate) fn missing(&self, name: &str) -> CommandError {
        CommandError::new(
            codes::MISSING_FIELD,
            format!("BSON field '{}.{name}' is missing but a required field", self.command),
        )
    }

    /// Refuses fields that nobody asked for.
    ///
    /// # Errors
    /// Code 40415, naming the first such field.
    pub(crate) fn finish(&self) -> Result<(), CommandError> {
        let unknown = self
            .fields
            .iter()
            .find(|field| !field.is_known.get() && !GENERIC.contains(&field.name));
        match unknown {
            None => Ok(()),
            Some(field) => Err(CommandError::new(
                codes::UNKNOWN_FIELD,
                format!("BSON field '{}.{}' is an unknown field.", self.command, field.name),
            )),
        }
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(RawBsonRef<'a>) -> Option<T>,
    ) -> Result<Option<T>, CommandError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| {
            let kind = if expected.starts_with('[') {
                format!("expected types '{expected}'")
            } else {
                format!("expected type '{expected}'")
            };
            CommandError::type_mismatch(format!(
                "BSON field '{}.{name}' is the wrong type '{}', {kind}",
                self.command,
                type_name(value)
            ))
        })
    }
}

/// A number of any type as a whole number; saturates, as the server's conversion does.
pub(crate) fn integer(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(value) => Some(i64::from(value)),
        RawBsonRef::Int64(value) => Some(value),
        // A float to integer cast saturates, and makes 0 of what is not a number.
        RawBsonRef::Double(value) => Some(value as i64),
        RawBsonRef::Decimal128(_) => number(value).map(|value| value as i64),
        _ => None,
    }
}

/// A number of any type, as near as a double comes.
pub(crate) fn number(value: RawBsonRef<'_>) -> Option<f64> {
    match value {
        RawBsonRef::Int32(value) => Some(f64::from(value)),
        RawBsonRef::Int64(value) => Some(value as f64),
        RawBsonRef::Double(value) => Some(value),
        RawBsonRef::Decimal128(value) => value.to_string().parse().ok(),
        _ => None,
    }
}

/// The server's name of a value's type.
pub(crate) fn type_name(value: RawBsonRef<'_>) -> &'static str {
    match value.element_type() {
        ElementType::Double => "double",
        ElementType::String => "string",
        ElementType::EmbeddedDocument => "object",
        ElementType::Array => "array",
        ElementType::Binary => "binData",
        ElementType::Undefined => "undefined",
        ElementType::ObjectId => "objectId",
        ElementType::Boolean => "bool",
        ElementType::DateTime => "date",
        ElementType::Null => "null",
        ElementType::RegularExpression => "regex",
        ElementType::DbPointer => "dbPointer",
        ElementType::JavaScriptCode => "javascript",
        ElementType::Symbol => "symbol",
        ElementType::JavaScriptCodeWithScope => "javascriptWithScope",
        ElementType::Int32 => "int",
        ElementType::Timestamp => "timestamp",
        ElementType::Int64 => "long",
        ElementType::Decimal128 => "decimal",
        ElementType::MaxKey => "maxKey",
        ElementType::MinKey => "minKey",
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn unknown_and_duplicate_fields_are_named() {
        let body = rawdoc! { "find": "c", "filter": {}, "colour": 1, "$db": "d", "lsid": {} };
        let arguments = Arguments::new("find", &body).unwrap();
        arguments.string("find").unwrap();
        arguments.document("filter").unwrap();
        let error = arguments.finish().unwrap_err();
        assert_eq!(error.code, 40415);
        assert_eq!(error.message, "BSON field 'find.colour' is an unknown field.");
        let twice = rawdoc! { "find": "c", "find": "c" };
        assert_eq!(Arguments::new("find", &twice).err().unwrap().code, 40413);
    }

    #[test]
    fn a_wrong_type_is_named() {
        let body = rawdoc! { "find": "c", "filter": "x", "limit": "x" };
        let arguments = Arguments::new("find", &body).unwrap();
        assert_eq!(
            arguments.document("filter").unwrap_err().message,
            "BSON field 'find.filter' is the wrong type 'string', expected type 'object'"
        );
        assert_eq!(
            arguments.integer("limit").unwrap_err().message,
            "BSON field 'find.limit' is the wrong type 'string', \
             expected types '[long, int, decimal, double]'"
        );
    }

    #[test]
    fn numbers_of_every_type_are_integers_and_null_is_absent() {
        let body = rawdoc! { "a": 1i32, "b": 2i64, "c": 3.9, "d": bson::RawBson::Null };
        let arguments = Arguments::new("x", &body).unwrap();
        assert_eq!(arguments.integer("a").unwrap(), Some(1));
        assert_eq!(arguments.integer("b").unwrap(), Some(2));
        assert_eq!(arguments.integer("c").unwrap(), Some(3));
        assert_eq!(arguments.integer("d").unwrap(), None);
    }
}
