//! The error of this crate: a MongoDB error code and text.

use std::fmt;

use bson::raw::{RawDocument, RawDocumentBuf};

/// What a MongoDB server would answer to the same input: code, code name and message.
///
/// The server's texts are part of its public behaviour and drivers' tests match on them, so an
/// error is held as code and text. Texts name operators, fields and types. A few quote a value of
/// the command, as the server's do; whoever logs errors of commands on encrypted collections logs
/// the code only.
#[derive(Clone, PartialEq)]
pub struct QueryError {
    code: i32,
    message: String,
    extra: Option<Box<RawDocumentBuf>>,
}

/// Documents are compared by their bytes.
impl Eq for QueryError {}

impl QueryError {
    /// An error with a code of MongoDB's table (or one of its location codes) and its text.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), extra: None }
    }

    /// Adds fields that stand beside `code` and `errmsg`, such as `keyPattern` and `keyValue`.
    #[must_use]
    pub fn with_extra(mut self, extra: RawDocumentBuf) -> Self {
        self.extra = Some(Box::new(extra));
        self
    }

    /// `BadValue`, code 2.
    pub fn bad_value(message: impl Into<String>) -> Self {
        Self::new(2, message)
    }

    /// `FailedToParse`, code 9.
    pub fn failed_to_parse(message: impl Into<String>) -> Self {
        Self::new(9, message)
    }

    /// `TypeMismatch`, code 14.
    pub fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(14, message)
    }

    /// `InvalidBSON`, code 22: bytes that are no BSON.
    pub fn invalid_bson(message: impl Into<String>) -> Self {
        Self::new(22, message)
    }

    /// Something of MongoDB's language that Fieldveil knows by name and does not have.
    ///
    /// Code 238 (`NotImplemented`); never a wrong answer instead.
    pub fn not_supported(what: impl fmt::Display) -> Self {
        Self::new(238, format!("{what} is not supported by this server"))
    }

    /// The error code.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The code's name as in a server reply: `BadValue`, `Location40324`.
    pub fn code_name(&self) -> String {
        code_name(self.code)
    }

    /// Further fields of the reply.
    pub fn extra(&self) -> Option<&RawDocument> {
        self.extra.as_ref().map(|extra| &***extra)
    }

    /// The text (also what `Display` prints).
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code_name(), self.code, self.message)
    }
}

impl std::error::Error for QueryError {}

impl From<bson::error::Error> for QueryError {
    fn from(error: bson::error::Error) -> Self {
        Self::invalid_bson(error.to_string())
    }
}

/// The name MongoDB gives an error code; codes without a name are `Location<code>`.
pub fn code_name(code: i32) -> String {
    match CODE_NAMES.binary_search_by_key(&code, |(code, _)| *code) {
        Ok(index) => CODE_NAMES.get(index).map_or_else(String::new, |(_, name)| (*name).to_owned()),
        Err(_) => format!("Location{code}"),
    }
}

/// Codes this crate, the store and the server use, sorted by code.
const CODE_NAMES: &[(i32, &str)] = &[
    (0, "OK"),
    (1, "InternalError"),
    (2, "BadValue"),
    (4, "NoSuchKey"),
    (5, "GraphContainsCycle"),
    (6, "HostUnreachable"),
    (7, "HostNotFound"),
    (8, "UnknownError"),
    (9, "FailedToParse"),
    (10, "CannotMutateObject"),
    (11, "UserNotFound"),
    (12, "UnsupportedFormat"),
    (13, "Unauthorized"),
    (14, "TypeMismatch"),
    (15, "Overflow"),
    (16, "InvalidLength"),
    (17, "ProtocolError"),
    (18, "AuthenticationFailed"),
    (20, "IllegalOperation"),
    (22, "InvalidBSON"),
    (23, "AlreadyInitialized"),
    (24, "LockTimeout"),
    (26, "NamespaceNotFound"),
    (27, "IndexNotFound"),
    (28, "PathNotViable"),
    (31, "RoleNotFound"),
    (40, "ConflictingUpdateOperators"),
    (43, "CursorNotFound"),
    (48, "NamespaceExists"),
    (50, "MaxTimeMSExpired"),
    (51, "ManualInterventionRequired"),
    (52, "DollarPrefixedFieldName"),
    (53, "InvalidIdField"),
    (54, "NotSingleValueField"),
    (55, "InvalidDBRef"),
    (56, "EmptyFieldName"),
    (57, "DottedFieldName"),
    (59, "CommandNotFound"),
    (61, "ShardKeyNotFound"),
    (62, "OplogOperationUnsupported"),
    (64, "WriteConcernFailed"),
    (65, "MultipleErrorsOccurred"),
    (66, "ImmutableField"),
    (67, "CannotCreateIndex"),
    (68, "IndexAlreadyExists"),
    (72, "InvalidOptions"),
    (73, "InvalidNamespace"),
    (76, "NoReplicationEnabled"),
    (79, "UnknownReplWriteConcern"),
    (85, "IndexOptionsConflict"),
    (86, "IndexKeySpecsConflict"),
    (89, "NetworkTimeout"),
    (91, "ShutdownInProgress"),
    (94, "NotYetInitialized"),
    (95, "NotSecondary"),
    (96, "OperationFailed"),
    (100, "UnsatisfiableWriteConcern"),
    (103, "NewReplicaSetConfigurationIncompatible"),
    (112, "WriteConflict"),
    (115, "CommandNotSupported"),
    (116, "DocTooLargeForCapped"),
    (121, "DocumentValidationFailure"),
    (123, "NotAReplicaSet"),
    (125, "CommandFailed"),
    (133, "FailedToSatisfyReadPreference"),
    (134, "ReadConcernMajorityNotAvailableYet"),
    (136, "CappedPositionLost"),
    (146, "ExceededMemoryLimit"),
    (165, "ViewDepthLimitExceeded"),
    (166, "CommandNotSupportedOnView"),
    (167, "OptionNotSupportedOnView"),
    (168, "InvalidPipelineOperator"),
    (171, "CannotIndexParallelArrays"),
    (175, "QueryPlanKilled"),
    (181, "AmbiguousIndexKeyPattern"),
    (189, "PrimarySteppedDown"),
    (197, "InvalidIndexSpecificationOption"),
    (206, "NoSuchSession"),
    (211, "KeyNotFound"),
    (217, "IncompleteTransactionHistory"),
    (224, "QueryFeatureNotAllowed"),
    (225, "TransactionTooOld"),
    (226, "AtomicityFailure"),
    (232, "MaxSubPipelineDepthExceeded"),
    (237, "CursorKilled"),
    (238, "NotImplemented"),
    (241, "ConversionFailure"),
    (244, "TransactionAborted"),
    (246, "SnapshotUnavailable"),
    (251, "NoSuchTransaction"),
    (256, "TransactionCommitted"),
    (257, "TransactionTooLarge"),
    (262, "ExceededTimeLimit"),
    (263, "OperationNotSupportedInTransaction"),
    (276, "IndexBuildAborted"),
    (279, "ClientDisconnect"),
    (280, "ChangeStreamFatalError"),
    (286, "ChangeStreamHistoryLost"),
    (290, "TransactionExceededLifetimeLimitSeconds"),
    (291, "NoQueryExecutionPlans"),
    (292, "QueryExceededMemoryLimitNoDiskUseAllowed"),
    (322, "APIVersionError"),
    (323, "APIStrictError"),
    (334, "MechanismUnavailable"),
    (352, "UnsupportedOpQueryCommand"),
    (366, "DataCorruptionDetected"),
    (391, "ReauthenticationRequired"),
    (10003, "CannotGrowDocumentInCappedNamespace"),
    (10107, "NotWritablePrimary"),
    (10334, "BSONObjectTooLarge"),
    (11000, "DuplicateKey"),
    (11600, "InterruptedAtShutdown"),
    (11601, "Interrupted"),
    (11602, "InterruptedDueToReplStateChange"),
    (12051, "CursorInUse"),
    (13297, "DatabaseDifferCase"),
    (13435, "NotPrimaryNoSecondaryOk"),
    (13436, "NotPrimaryOrSecondary"),
    (14031, "OutOfDiskSpace"),
    (31082, "SearchNotEnabled"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_names_are_sorted_for_the_search() {
        assert!(CODE_NAMES.is_sorted_by_key(|(code, _)| *code));
        assert_eq!(code_name(2), "BadValue");
        assert_eq!(code_name(59), "CommandNotFound");
        assert_eq!(code_name(238), "NotImplemented");
        assert_eq!(code_name(40324), "Location40324");
        assert_eq!(code_name(40415), "Location40415");
    }
}
