//! Why a command is refused.

use fieldveil_query::QueryError;

use crate::{
    schema::SchemaError,
    shape::{Algorithm, Ambiguity},
    types::TypeSet,
};

mod advice;
mod code;
mod request;

pub use request::RequestError;

/// Why analysis refuses a command. Nothing of a refused command may be sent.
///
/// The texts that drivers' tests know are those of MongoDB; they name fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnalyzeError {
    /// The schema of a collection has a fault.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A filter, update or pipeline is not of MongoDB's language.
    #[error(transparent)]
    Query(#[from] QueryError),

    /// The request is not of the form it must have, whatever is encrypted.
    #[error(transparent)]
    Request(#[from] RequestError),

    // Values.
    /// A value that the field's schema or algorithm does not take.
    #[error(
        "Cannot encrypt element of type: {kind}{}; field '{path}' is encrypted{}",
        required(*types),
        by(*algorithm)
    )]
    CannotEncrypt {
        /// The field.
        path: String,
        /// The type of the value.
        kind: &'static str,
        /// The algorithm of the field.
        algorithm: Algorithm,
        /// The types that the schema allows.
        types: Option<TypeSet>,
    },
    /// A value that is ciphertext already.
    #[error(
        "Cannot encrypt element of type: binData of subtype 6; the value for encrypted field \
         '{path}' is encrypted already"
    )]
    AlreadyEncrypted {
        /// The field.
        path: String,
    },
    /// A timestamp that the server would replace.
    #[error(
        "A command that inserts cannot supply Timestamp(0, 0) for an encrypted top-level field at \
         path {path}"
    )]
    ZeroTimestamp {
        /// The field.
        path: String,
    },
    /// The server would generate an `_id` in plaintext.
    #[error("The _id field is encrypted and must be supplied by the command")]
    EncryptedIdMissing,
    /// The schema contradicts itself about the path.
    #[error("conflicting encryption metadata for path '{path}'")]
    ConflictingMetadata {
        /// The path.
        path: String,
    },
    /// A number in a path may lead to an encrypted field.
    #[error(
        "Invalid operation on path '{path}': the number in it may be an array index or a field \
         name, and there are encrypted fields on the way"
    )]
    AmbiguousIndex {
        /// The path, up to the number.
        path: String,
    },
    /// The path is below an encrypted field.
    #[error("Invalid operation on path '{path}' which contains an encrypted path prefix.")]
    BelowEncrypted {
        /// The path.
        path: String,
        /// The encrypted part of it.
        encrypted: String,
    },
    /// A field is encrypted or not, as it turns out at run time.
    #[error(
        "Invalid reference to field '{path}', whose encryption properties are not known until \
         runtime"
    )]
    UnknownUntilRuntime {
        /// The field.
        path: String,
    },
    /// A document names an encrypted field twice.
    #[error("encrypted field '{path}' is given twice in one document")]
    DuplicateName {
        /// The field.
        path: String,
    },
    /// A field name with a dot in it reads like an encrypted path.
    #[error(
        "field name '{path}' contains a dot and spells the path of an encrypted field; use nested \
         objects"
    )]
    DottedName {
        /// The path with the name at its end.
        path: String,
    },
    /// A value takes the place of an object that has encrypted fields.
    #[error("cannot use a value of type {kind} at path '{path}', which has encrypted fields below")]
    PrefixValue {
        /// The path.
        path: String,
        /// The type of the value.
        kind: &'static str,
    },
    /// The key's name is to come from the document, and there is none.
    #[error("A non-static (JSONPointer) keyId is not supported: field '{path}'")]
    PointerKey {
        /// The field.
        path: String,
    },
    /// The field that should hold the key's name is encrypted itself.
    #[error("keyId of field '{path}' points to '{target}', which is encrypted")]
    PointerToEncrypted {
        /// The field.
        path: String,
        /// The field with the key's name.
        target: String,
    },
    /// The field that should hold the key's name does not.
    #[error(
        "keyId of field '{path}' points to '{target}', which must hold the key's name, a string"
    )]
    PointerTarget {
        /// The field.
        path: String,
        /// The field with the key's name.
        target: String,
    },

    // Filters and expressions.
    /// An operator that analysis cannot see through, wherever it stands.
    #[error("Unsupported match expression operator for encryption: {operator}")]
    UnsupportedOperator {
        /// The operator.
        operator: String,
    },
    /// An operator that cannot work on ciphertext.
    #[error("Invalid match expression operator on encrypted field '{path}': {operator}")]
    InvalidOperator {
        /// The field.
        path: String,
        /// The operator.
        operator: String,
    },
    /// An operator on an object that has encrypted fields inside.
    #[error(
        "Invalid match expression operator on path '{path}': {operator}, because '{encrypted}' is \
         encrypted"
    )]
    PrefixOperator {
        /// The path.
        path: String,
        /// The operator.
        operator: String,
        /// An encrypted field below.
        encrypted: String,
    },
    /// Equal values have different ciphertexts.
    #[error(
        "Cannot query on fields encrypted with the randomized encryption algorithm: field '{path}'"
    )]
    RandomQuery {
        /// The field.
        path: String,
    },
    /// Null cannot be encrypted, and matches missing fields.
    #[error("Illegal equality to null predicate for encrypted field: '{path}'")]
    NullEquality {
        /// The field.
        path: String,
    },
    /// Null in a list of values.
    #[error("Illegal equality to null inside $in against an encrypted field: '{path}'")]
    NullInList {
        /// The field.
        path: String,
    },
    /// A comparison by the rules of a language, which ciphertext does not follow.
    #[error(
        "a collation other than 'simple' cannot be used to compare text with encrypted field \
         '{path}'"
    )]
    Collation {
        /// The field.
        path: String,
    },
    /// An expression reads an encrypted field where it cannot.
    #[error("Invalid reference to an encrypted field within aggregate expression: {path}")]
    InvalidReference {
        /// The field.
        path: String,
    },
    /// An encrypted field is compared with what is only known at run time.
    #[error(
        "Comparison disallowed between encrypted fields and non-constant expressions; field \
         '{path}' is encrypted."
    )]
    NonConstantComparison {
        /// The field.
        path: String,
    },
    /// Two fields are compared that are not encrypted alike.
    #[error(
        "Comparison disallowed between fields that are not encrypted alike: field '{path}' and \
         another differ in key, algorithm or type"
    )]
    DifferentMetadata {
        /// The one field.
        path: String,
    },
    /// An expression that analysis cannot see through.
    #[error("expression {operator} is not allowed or supported with automatic encryption")]
    UnsupportedExpression {
        /// The operator.
        operator: String,
    },

    // Updates.
    /// An update that is a pipeline.
    #[error(
        "Expressions in update queries are not allowed on a collection with encrypted fields: the \
         update is a pipeline"
    )]
    PipelineUpdate,
    /// A replacement with a field that reads like an operator.
    #[error("the replacement document has a field '{name}', which reads like an operator")]
    DollarName {
        /// The field.
        name: String,
    },
    /// No update operator.
    #[error("Unknown modifier: {name}")]
    UnknownModifier {
        /// The name.
        name: String,
    },
    /// An update operator that computes with a stored value, which is ciphertext.
    #[error("{operators} not allowed on encrypted values: field '{path}'")]
    UpdateOperator {
        /// The operator, with its relatives.
        operators: &'static str,
        /// The field.
        path: String,
    },
    /// A move between fields that are not encrypted alike.
    #[error(
        "$rename between two encrypted fields must have the same metadata or both be unencrypted: \
         '{from}' and '{to}'"
    )]
    Rename {
        /// The one field.
        from: String,
        /// The other.
        to: String,
    },
    /// The positional operator on an encrypted field, or on what has some below.
    #[error("Cannot encrypt fields below '$' positional update operator: '{path}'")]
    Positional {
        /// The path.
        path: String,
    },
    /// An update of array elements where there is an encrypted field.
    #[error("Array update operations not allowed on encrypted values: '{path}'")]
    ArrayUpdate {
        /// The path.
        path: String,
    },

    // Pipelines.
    /// A stage is not an object with one field.
    #[error("A pipeline stage specification object must contain exactly one field.")]
    StageForm,
    /// A stage that is not allowed.
    #[error("Aggregation stage {stage} is not allowed or supported with automatic encryption.")]
    StageNotAllowed {
        /// The stage.
        stage: String,
    },
    /// No stage.
    #[error("Unrecognized pipeline stage name: '{stage}'")]
    UnknownStage {
        /// The name.
        stage: String,
    },
    /// A path of `$unwind` without its dollar.
    #[error("path option to $unwind stage should be prefixed with a '$'")]
    UnwindPath,
    /// Documents cannot be grouped by this.
    #[error(
        "Cannot group on field '{path}' which is encrypted with the random algorithm or whose \
         encryption properties are not known until runtime"
    )]
    GroupKey {
        /// The field of the group's key.
        path: String,
    },
    /// A field of `$group` is no accumulator.
    #[error("The field '{field}' must be an accumulator object")]
    AccumulatorForm {
        /// The field.
        field: String,
    },
    /// No accumulator.
    #[error("unknown group operator '{accumulator}'")]
    UnknownAccumulator {
        /// The name.
        accumulator: String,
    },
    /// An accumulator that computes with encrypted values.
    #[error("Accumulator '{accumulator}' cannot aggregate encrypted fields.")]
    Accumulator {
        /// The accumulator.
        accumulator: String,
    },
    /// Variables would carry plaintext to where ciphertext is.
    #[error(
        "Non-empty 'let' field is not allowed in the $lookup aggregation stage over an encrypted \
         collection."
    )]
    LookupLet,
    /// `$graphLookup` on another collection.
    #[error(
        "$graphLookup with automatic encryption must read the aggregated collection, not \
         '{collection}'"
    )]
    GraphLookupFrom {
        /// The other collection.
        collection: String,
    },

    // Commands that are stored, or not supported.
    /// A comparison with an encrypted field that the server would store.
    #[error("Comparison to encrypted fields not supported{what}: field '{path}'")]
    StoredComparison {
        /// Where: in a validator, or nowhere special.
        what: &'static str,
        /// An encrypted field.
        path: String,
    },
    /// The schema of a validator encrypts other fields than the schema of the request.
    #[error(
        "Invalid match expression operator on encrypted field '{path}': the validator's \
         $jsonSchema and the schema of the collection do not encrypt the same fields"
    )]
    ValidatorSchema {
        /// An encrypted field.
        path: String,
    },
    /// A view on a collection with encrypted fields.
    #[error("'{option}' is not supported with encrypted fields such as '{path}'")]
    View {
        /// The option.
        option: String,
        /// An encrypted field.
        path: String,
    },
    /// `bulkWrite` on a collection with a JSON schema that encrypts.
    #[error(
        "bulkWrite is not supported with client-side field level encryption, which '{namespace}' uses"
    )]
    BulkWrite {
        /// The collection.
        namespace: String,
    },

    // Other parts of commands.
    /// An order by an encrypted field.
    #[error("Cannot sort by field '{path}', which is encrypted: ciphertexts have another order")]
    Sort {
        /// The field.
        path: String,
    },
    /// An option that names an encrypted field.
    #[error("'{option}' cannot name field '{path}', which is encrypted")]
    UnsupportedOption {
        /// The option.
        option: String,
        /// The field.
        path: String,
    },
    /// Distinct values of a field whose key depends on the document.
    #[error(
        "The distinct key is not allowed to be marked for encryption with a non-UUID keyId: \
         '{path}'"
    )]
    DistinctPointerKey {
        /// The field.
        path: String,
    },
}

impl AnalyzeError {
    /// The path of the document field that the error is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::CannotEncrypt { path, .. }
            | Self::AlreadyEncrypted { path }
            | Self::ZeroTimestamp { path }
            | Self::ConflictingMetadata { path }
            | Self::AmbiguousIndex { path }
            | Self::BelowEncrypted { path, .. }
            | Self::UnknownUntilRuntime { path }
            | Self::DuplicateName { path }
            | Self::DottedName { path }
            | Self::PrefixValue { path, .. }
            | Self::PointerKey { path }
            | Self::PointerToEncrypted { path, .. }
            | Self::PointerTarget { path, .. }
            | Self::InvalidOperator { path, .. }
            | Self::PrefixOperator { path, .. }
            | Self::RandomQuery { path }
            | Self::NullEquality { path }
            | Self::NullInList { path }
            | Self::Collation { path }
            | Self::InvalidReference { path }
            | Self::NonConstantComparison { path }
            | Self::DifferentMetadata { path }
            | Self::UpdateOperator { path, .. }
            | Self::Rename { from: path, .. }
            | Self::Positional { path }
            | Self::ArrayUpdate { path }
            | Self::Sort { path }
            | Self::UnsupportedOption { path, .. }
            | Self::StoredComparison { path, .. }
            | Self::ValidatorSchema { path }
            | Self::View { path, .. }
            | Self::DistinctPointerKey { path } => Some(path),
            Self::EncryptedIdMissing => Some("_id"),
            _ => None,
        }
    }
}

impl From<Ambiguity> for AnalyzeError {
    fn from(ambiguity: Ambiguity) -> Self {
        match ambiguity {
            Ambiguity::Conflict(path) => Self::ConflictingMetadata { path },
            Ambiguity::Index(path) => Self::AmbiguousIndex { path },
        }
    }
}

fn required(types: Option<TypeSet>) -> String {
    types.map_or_else(String::new, |types| {
        format!(" because schema requires that type is one of: [ {types} ]")
    })
}

fn by(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Deterministic => " deterministically",
        Algorithm::Random => "",
    }
}
