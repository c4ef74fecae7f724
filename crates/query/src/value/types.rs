//! BSON types by name and number, as `$type`, `bsonType` and error texts have them.

use bson::raw::RawBsonRef;
use bson::spec::ElementType;

use crate::QueryError;
use crate::value::Number;

/// A BSON type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BsonType(ElementType);

impl BsonType {
    /// The type of a value.
    pub fn of(value: RawBsonRef<'_>) -> Self {
        Self(value.element_type())
    }

    /// The `bson` crate's name for the type.
    pub fn element_type(self) -> ElementType {
        self.0
    }

    /// The name in `$type`, `bsonType` and error texts: `string`, `int`, `binData`, ...
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _, _)| *kind == self.0).map_or("missing", |(_, _, name)| name)
    }

    /// The number in `$type`: 1 for double up to 19 for decimal, -1 `MinKey`, 127 `MaxKey`.
    pub fn number(self) -> i32 {
        NAMES.iter().find(|(kind, _, _)| *kind == self.0).map_or(0, |(_, number, _)| *number)
    }

    /// The type with a name (not `number`, which is four types).
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, _, known)| *known == name).map(|(kind, _, _)| Self(*kind))
    }

    /// The type with a number.
    pub fn from_number(number: i64) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, known, _)| i64::from(*known) == number)
            .map(|(kind, _, _)| Self(*kind))
    }
}

/// A set of types, as `$type` and `bsonType` name one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeSet {
    /// Whether `number` was named, which stands for all four numeric types.
    pub all_numbers: bool,
    /// The single types named, in order.
    pub types: Vec<BsonType>,
}

impl TypeSet {
    /// Adds a type by name or number.
    ///
    /// # Errors
    /// `BadValue` for an unknown name, 2 or 9 for a bad number, as `operator` of the server words it.
    pub fn add(&mut self, value: RawBsonRef<'_>, operator: &str) -> Result<(), QueryError> {
        if let Some(name) = value.as_str() {
            if name == "number" {
                self.all_numbers = true;
                return Ok(());
            }
            let kind = BsonType::from_name(name)
                .ok_or_else(|| QueryError::bad_value(format!("Unknown type name alias: {name}")))?;
            self.types.push(kind);
            return Ok(());
        }
        let Some(number) = Number::new(value) else {
            return Err(QueryError::type_mismatch(
                "type must be represented as a number or a string",
            ));
        };
        let kind = number.to_i64_exact().and_then(BsonType::from_number).ok_or_else(|| {
            QueryError::bad_value(format!(
                "Invalid numerical type code: {} for {operator}",
                number.to_f64()
            ))
        })?;
        self.types.push(kind);
        Ok(())
    }

    /// Whether a value has one of the types.
    pub fn contains(&self, value: RawBsonRef<'_>) -> bool {
        (self.all_numbers && Number::new(value).is_some())
            || self.types.contains(&BsonType::of(value))
    }

    /// Whether no type was named.
    pub fn is_empty(&self) -> bool {
        !self.all_numbers && self.types.is_empty()
    }
}

const NAMES: &[(ElementType, i32, &str)] = &[
    (ElementType::Double, 1, "double"),
    (ElementType::String, 2, "string"),
    (ElementType::EmbeddedDocument, 3, "object"),
    (ElementType::Array, 4, "array"),
    (ElementType::Binary, 5, "binData"),
    (ElementType::Undefined, 6, "undefined"),
    (ElementType::ObjectId, 7, "objectId"),
    (ElementType::Boolean, 8, "bool"),
    (ElementType::DateTime, 9, "date"),
    (ElementType::Null, 10, "null"),
    (ElementType::RegularExpression, 11, "regex"),
    (ElementType::DbPointer, 12, "dbPointer"),
    (ElementType::JavaScriptCode, 13, "javascript"),
    (ElementType::Symbol, 14, "symbol"),
    (ElementType::JavaScriptCodeWithScope, 15, "javascriptWithScope"),
    (ElementType::Int32, 16, "int"),
    (ElementType::Timestamp, 17, "timestamp"),
    (ElementType::Int64, 18, "long"),
    (ElementType::Decimal128, 19, "decimal"),
    (ElementType::MinKey, -1, "minKey"),
    (ElementType::MaxKey, 127, "maxKey"),
];
