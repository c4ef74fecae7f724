//! Schemas of collections: where they come from and what of them the client itself has to know.

mod collection;
mod encrypted_fields;
mod map;

pub(crate) use collection::{CollectionSchema, write_json_schema};
pub use encrypted_fields::EncryptedFieldsError;
pub(crate) use encrypted_fields::{EncryptedFields, FieldKey};
pub(crate) use map::SchemaMap;

use crate::raw::MalformedBson;

/// Why schemas or collection information are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The document is malformed.
    #[error("BSON malformed")]
    Malformed(#[from] MalformedBson),
    /// Collection information without a name.
    #[error("failed to find 'name' in collinfo in database: {0}")]
    NoName(String),
    /// Information on a collection that was not asked for.
    #[error("got unexpected collinfo result for collection: {0}")]
    Unexpected(String),
    /// Information on a collection that came before.
    #[error("unexpected duplicate collinfo result for collection: {0}")]
    Duplicate(String),
    /// The collection is a view.
    #[error("cannot auto encrypt a view: {0}")]
    View(String),
    /// The validator has two schemas.
    #[error("duplicate `$jsonSchema` fields found for collection: {0}")]
    DuplicateJsonSchema(String),
    /// `$jsonSchema` is no document.
    #[error("unable to copy `$jsonSchema` for collection: {0}")]
    JsonSchemaType(String),
    /// `encryptedFields` is no document.
    #[error(
        "expected document for `options.encryptedFields` but got {actual} for collection \
         {namespace}"
    )]
    EncryptedFieldsType {
        /// The type that it has.
        actual: &'static str,
        /// The collection.
        namespace: String,
    },
    /// An entry of the schema map is no document.
    #[error("failed to read schema from schema map for collection: {0}")]
    SchemaMapEntry(String),
    /// An entry of the encrypted fields map is no document.
    #[error("failed to read encryptedFields from encryptedFields map for collection: {0}")]
    EncryptedFieldsMapEntry(String),
    /// An `encryptedFields` document is no use.
    #[error(transparent)]
    EncryptedFields(#[from] EncryptedFieldsError),
    /// Two databases in one command.
    #[error(
        "Cannot request schemas for different databases. Requested schemas for '{0}' and '{1}'."
    )]
    TwoDatabases(String, String),
    /// The driver of this operation cannot ask another database than the command's.
    #[error(
        "Fetching remote collection information on separate databases is not supported. Try \
         upgrading driver, or specify a local schemaMap or encryptedFieldsMap."
    )]
    OtherDatabase,
    /// Two kinds of schema in one command, and query analysis that cannot mix them.
    #[error(
        "Collection '{encrypted}' has an encryptedFields configured, but collection '{json}' has a \
         JSON schema configured. This is not supported on mongocryptd/crypt_shared versions below \
         8.2. To ignore the JSON schema, add an empty entry for '{json}' to \
         AutoEncryptionOpts.encryptedFieldsMap: \"{json}\": {{ \"fields\": [] }}"
    )]
    Mixed {
        /// A collection with `encryptedFields`.
        encrypted: String,
        /// A collection with a JSON schema.
        json: String,
    },
    /// `encryptedFields` of a `create` command are no document.
    #[error("expected encryptedFields to be type obj, got: {0}")]
    CreateFieldsType(&'static str),
    /// `strEncodeVersion` of a `create` command is not that of its collection.
    #[error("'strEncodeVersion' of {actual} does not match efc->str_encode_version of {expected}")]
    StrEncodeVersion {
        /// That of the command.
        actual: i32,
        /// That of the collection.
        expected: i32,
    },
    /// `encryptedFields` that were needed are not there.
    #[error("expected to have encryptedFields for {0} command but have none")]
    NoEncryptedFields(String),
}
