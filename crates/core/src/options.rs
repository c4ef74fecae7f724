//! Options of explicit encryption and of new data keys.

mod explicit;
mod names;

pub use explicit::ExplicitOptions;
pub(crate) use explicit::{ExplicitPlan, QeIndex, QePlan};
pub use names::{Algorithm, QueryType};

use bson::RawDocumentBuf;
use fieldveil_crypto::Secret;

/// How a new data key is made.
#[derive(Debug, Default)]
pub struct DataKeyOptions {
    /// The master key that wraps it: `{provider: .., ..}`. Required.
    pub master_key: Option<RawDocumentBuf>,
    /// Alternate names, each at most once.
    pub key_alt_names: Vec<String>,
    /// Key material, instead of fresh random bytes.
    pub key_material: Option<Secret<96>>,
}

/// Why options are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A name that no algorithm has.
    #[error("unsupported algorithm string \"{0}\"")]
    UnknownAlgorithm(String),
    /// An algorithm of a preview that has ended.
    #[error("Algorithm '{name}' is deprecated, please use '{instead}'")]
    DeprecatedAlgorithm {
        /// The name.
        name: &'static str,
        /// What has become of it.
        instead: &'static str,
    },
    /// A name that no query type has.
    #[error("Unsupported query_type \"{0}\"")]
    UnknownQueryType(String),
    /// A query type of a preview that has ended.
    #[error("Query type '{name}' is deprecated, please use '{instead}'")]
    DeprecatedQueryType {
        /// The name.
        name: &'static str,
        /// What has become of it.
        instead: &'static str,
    },
    /// No key.
    #[error("either key id or key alt name required")]
    NoKey,
    /// A key by id and one by name.
    #[error("cannot have both key id and key alt name")]
    TwoKeys,
    /// Several names where one key is meant.
    #[error("must not specify multiple key alt names")]
    SeveralAltNames,
    /// Two options that exclude each other.
    #[error("cannot set both {0} and {1}")]
    Exclusive(&'static str, &'static str),
    /// Neither a CSFLE nor a Queryable Encryption algorithm.
    #[error("algorithm or index type required")]
    NoAlgorithm,
    /// An option that the algorithm does not have.
    #[error("cannot set {0}")]
    NotWith(&'static str),
    /// An option that the algorithm needs.
    #[error("{0}")]
    Required(&'static str),
    /// A query type of another algorithm.
    #[error("query_type ({query_type}) must match index_type ({index_type})")]
    QueryTypeMismatch {
        /// Name of the query type.
        query_type: &'static str,
        /// Name of the algorithm.
        index_type: &'static str,
    },
    /// A text query type without the text algorithm.
    #[error("{0} query type requires string index type")]
    QueryTypeNeedsString(&'static str),
    /// A range query where a single value is encrypted.
    #[error("Encrypt may not be used for range queries. Use EncryptExpression.")]
    RangeNeedsExpression,
    /// Another query where an expression is encrypted.
    #[error("EncryptExpression may only be used for range queries.")]
    ExpressionNeedsRange,
    /// A data key without a master key.
    #[error("master key required")]
    NoMasterKey,
    /// A master key of a service that was not configured.
    #[error("requested kms provider not configured: `{0}`")]
    ProviderNotConfigured(String),
    /// An alternate name twice.
    #[error("duplicate keyAltNames found")]
    DuplicateAltName,
    /// A range or text option is wrong.
    #[error(transparent)]
    Range(#[from] crate::qe::RangeOptionsError),
    /// A text option is wrong.
    #[error(transparent)]
    Text(#[from] crate::qe::TextOptionsError),
    /// Map entries are not as they should be.
    #[error("{0} is present in both schema_map and encrypted_field_config_map")]
    InBothMaps(String),
    /// A map was set before.
    #[error("already set {0}")]
    AlreadySet(&'static str),
    /// A map is no document.
    #[error("invalid bson")]
    InvalidBson,
}
