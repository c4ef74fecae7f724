//! MongoDB's error codes that this crate itself raises; [`fieldveil_query::code_name`] names them.
//!
//! Source: the public list of error codes in MongoDB's manual and drivers' specifications.

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
pub(crate) const ALREADY_INITIALIZED: i32 = 23;
pub(crate) const ROLE_NOT_FOUND: i32 = 31;
pub(crate) const CURSOR_NOT_FOUND: i32 = 43;
pub(crate) const MAX_TIME_MS_EXPIRED: i32 = 50;
pub(crate) const COMMAND_NOT_FOUND: i32 = 59;
pub(crate) const INVALID_OPTIONS: i32 = 72;
pub(crate) const INVALID_NAMESPACE: i32 = 73;
pub(crate) const NO_REPLICATION_ENABLED: i32 = 76;
pub(crate) const NOT_SECONDARY: i32 = 95;
pub(crate) const NEW_REPLICA_SET_CONFIGURATION_INCOMPATIBLE: i32 = 103;
pub(crate) const UNSATISFIABLE_WRITE_CONCERN: i32 = 100;
pub(crate) const COMMAND_NOT_SUPPORTED: i32 = 115;
pub(crate) const NOT_A_REPLICA_SET: i32 = 123;
pub(crate) const CLUSTER_TIME_FAILS_RATE_LIMITER: i32 = 206;
pub(crate) const EXCEEDED_TIME_LIMIT: i32 = 262;
pub(crate) const MECHANISM_UNAVAILABLE: i32 = 334;
pub(crate) const CURSOR_IN_USE: i32 = 12051;
pub(crate) const API_VERSION_ERROR: i32 = 322;
pub(crate) const API_STRICT_ERROR: i32 = 323;
pub(crate) const CLIENT_DISCONNECT: i32 = 279;
pub(crate) const INTERRUPTED_AT_SHUTDOWN: i32 = 11600;
pub(crate) const INTERRUPTED: i32 = 11601;

/// Codes of operations that were ended.
pub(crate) const INTERRUPTIONS: &[i32] =
    &[MAX_TIME_MS_EXPIRED, CLIENT_DISCONNECT, INTERRUPTED_AT_SHUTDOWN, INTERRUPTED];

pub(crate) const NOT_A_RETRYABLE_WRITE_COMMAND: i32 = 50768;
pub(crate) const DUPLICATE_FIELD: i32 = 40413;
pub(crate) const MISSING_FIELD: i32 = 40414;
pub(crate) const UNKNOWN_FIELD: i32 = 40415;

/// Codes of errors after which a driver may send a write again.
///
/// Source: retryable writes specification.
pub(crate) const RETRYABLE: &[i32] =
    &[6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436];
