//! MongoDB's error codes that this crate itself raises or names.
//!
//! Source: the public list of error codes in MongoDB's manual and drivers' specifications. A code
//! without a name is called `Location<code>`.

use std::borrow::Cow;

pub(crate) const BAD_VALUE: i32 = 2;
pub(crate) const FAILED_TO_PARSE: i32 = 9;
pub(crate) const USER_NOT_FOUND: i32 = 11;
pub(crate) const UNAUTHORIZED: i32 = 13;
pub(crate) const TYPE_MISMATCH: i32 = 14;
pub(crate) const OVERFLOW: i32 = 15;
pub(crate) const PROTOCOL_ERROR: i32 = 17;
pub(crate) const AUTHENTICATION_FAILED: i32 = 18;
pub(crate) const ILLEGAL_OPERATION: i32 = 20;
pub(crate) const INVALID_BSON: i32 = 22;
pub(crate) const ROLE_NOT_FOUND: i32 = 31;
pub(crate) const CURSOR_NOT_FOUND: i32 = 43;
pub(crate) const MAX_TIME_MS_EXPIRED: i32 = 50;
pub(crate) const COMMAND_NOT_FOUND: i32 = 59;
pub(crate) const INVALID_OPTIONS: i32 = 72;
pub(crate) const INVALID_NAMESPACE: i32 = 73;
pub(crate) const NO_REPLICATION_ENABLED: i32 = 76;
pub(crate) const UNSATISFIABLE_WRITE_CONCERN: i32 = 100;
pub(crate) const COMMAND_NOT_SUPPORTED: i32 = 115;
pub(crate) const NOT_A_REPLICA_SET: i32 = 123;
pub(crate) const MECHANISM_UNAVAILABLE: i32 = 334;
pub(crate) const CURSOR_IN_USE: i32 = 12051;
pub(crate) const API_VERSION_ERROR: i32 = 322;
pub(crate) const API_STRICT_ERROR: i32 = 323;
pub(crate) const INTERRUPTED: i32 = 11601;

pub(crate) const DUPLICATE_FIELD: i32 = 40413;
pub(crate) const MISSING_FIELD: i32 = 40414;
pub(crate) const UNKNOWN_FIELD: i32 = 40415;

/// Codes of errors after which a driver may send a write again.
///
/// Source: retryable writes specification.
pub(crate) const RETRYABLE: &[i32] =
    &[6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436];

const NAMES: &[(i32, &str)] = &[
    (1, "InternalError"),
    (2, "BadValue"),
    (4, "NoSuchKey"),
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
    (96, "OperationFailed"),
    (100, "UnsatisfiableWriteConcern"),
    (112, "WriteConflict"),
    (115, "CommandNotSupported"),
    (121, "DocumentValidationFailure"),
    (123, "NotAReplicaSet"),
    (125, "CommandFailed"),
    (133, "FailedToSatisfyReadPreference"),
    (134, "ReadConcernMajorityNotAvailableYet"),
    (136, "CappedPositionLost"),
    (146, "ExceededMemoryLimit"),
    (157, "ExceededTimeLimit"),
    (165, "ViewDepthLimitExceeded"),
    (166, "CommandNotSupportedOnView"),
    (167, "OptionNotSupportedOnView"),
    (168, "InvalidPipelineOperator"),
    (189, "PrimarySteppedDown"),
    (193, "IncompleteTransactionHistory"),
    (197, "InvalidIndexSpecificationOption"),
    (206, "NoSuchSession"),
    (211, "KeyNotFound"),
    (217, "IncompleteTransactionHistory"),
    (223, "DuplicateSession"),
    (224, "QueryFeatureNotAllowed"),
    (225, "TransactionTooOld"),
    (226, "AtomicityFailure"),
    (232, "QueryPlanKilled"),
    (237, "CursorKilled"),
    (238, "InvalidIndexSpecificationOption"),
    (241, "ConversionFailure"),
    (244, "TransactionAborted"),
    (246, "SnapshotUnavailable"),
    (251, "NoSuchTransaction"),
    (256, "TransactionCommitted"),
    (257, "TransactionTooLarge"),
    (262, "ExceededTimeLimit"),
    (263, "OperationNotSupportedInTransaction"),
    (280, "ChangeStreamFatalError"),
    (286, "ChangeStreamHistoryLost"),
    (290, "TransactionExceededLifetimeLimitSeconds"),
    (291, "NoQueryExecutionPlans"),
    (292, "QueryExceededMemoryLimitNoDiskUseAllowed"),
    (322, "APIVersionError"),
    (323, "APIStrictError"),
    (334, "MechanismUnavailable"),
    (352, "UnsupportedOpQueryCommand"),
    (391, "ReauthenticationRequired"),
    (10003, "CannotGrowDocumentInCappedNamespace"),
    (10107, "NotWritablePrimary"),
    (10334, "BSONObjectTooLarge"),
    (11000, "DuplicateKey"),
    (11600, "InterruptedAtShutdown"),
    (11601, "Interrupted"),
    (11602, "InterruptedDueToReplStateChange"),
    (12051, "CursorInUse"),
    (13435, "NotPrimaryNoSecondaryOk"),
    (13436, "NotPrimaryOrSecondary"),
];

/// The name of `code`.
pub(crate) fn name(code: i32) -> Cow<'static, str> {
    match NAMES.binary_search_by_key(&code, |(code, _)| *code) {
        Ok(at) => Cow::Borrowed(NAMES[at].1),
        Err(_) => Cow::Owned(format!("Location{code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(NAMES.is_sorted_by(|left, right| left.0 < right.0));
    }

    #[test]
    fn codes_without_a_name_are_locations() {
        assert_eq!(name(59), "CommandNotFound");
        assert_eq!(name(40415), "Location40415");
    }
}
