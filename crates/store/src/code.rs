//! The error codes of MongoDB's protocol that the store answers with.

/// A MongoDB error code with its published name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    number: i32,
    name: &'static str,
}

impl Code {
    /// The number in a reply's `code` field.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.number
    }

    /// The name in a reply's `codeName` field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Codes that only the server's source gives a place for carry no name of their own.
    #[must_use]
    pub const fn location(number: i32, name: &'static str) -> Self {
        Self { number, name }
    }
}

/// Declares the table of codes.
macro_rules! codes {
    ($($constant:ident = $number:literal $name:ident;)*) => {
        impl Code {
            $(
                #[doc = concat!("Code ", stringify!($number), ", `", stringify!($name), "`.")]
                pub const $constant: Self = Self { number: $number, name: stringify!($name) };
            )*
        }

        #[cfg(test)]
        const ALL: &[Code] = &[$(Code::$constant),*];
    };
}

codes! {
    INTERNAL_ERROR = 1 InternalError;
    BAD_VALUE = 2 BadValue;
    FAILED_TO_PARSE = 9 FailedToParse;
    TYPE_MISMATCH = 14 TypeMismatch;
    OVERFLOW = 15 Overflow;
    ILLEGAL_OPERATION = 20 IllegalOperation;
    INVALID_BSON = 22 InvalidBSON;
    NAMESPACE_NOT_FOUND = 26 NamespaceNotFound;
    INDEX_NOT_FOUND = 27 IndexNotFound;
    NAMESPACE_EXISTS = 48 NamespaceExists;
    MAX_TIME_MS_EXPIRED = 50 MaxTimeMSExpired;
    DOLLAR_PREFIXED_FIELD_NAME = 52 DollarPrefixedFieldName;
    INVALID_ID_FIELD = 53 InvalidIdField;
    IMMUTABLE_FIELD = 66 ImmutableField;
    CANNOT_CREATE_INDEX = 67 CannotCreateIndex;
    INVALID_OPTIONS = 72 InvalidOptions;
    INVALID_NAMESPACE = 73 InvalidNamespace;
    INDEX_OPTIONS_CONFLICT = 85 IndexOptionsConflict;
    INDEX_KEY_SPECS_CONFLICT = 86 IndexKeySpecsConflict;
    COMMAND_NOT_SUPPORTED = 115 CommandNotSupported;
    DOCUMENT_VALIDATION_FAILURE = 121 DocumentValidationFailure;
    VIEW_DEPTH_LIMIT_EXCEEDED = 165 ViewDepthLimitExceeded;
    COMMAND_NOT_SUPPORTED_ON_VIEW = 166 CommandNotSupportedOnView;
    OPTION_NOT_SUPPORTED_ON_VIEW = 167 OptionNotSupportedOnView;
    INVALID_PIPELINE_OPERATOR = 168 InvalidPipelineOperator;
    GRAPH_CONTAINS_CYCLE = 5 GraphContainsCycle;
    CAPPED_POSITION_LOST = 136 CappedPositionLost;
    CANNOT_INDEX_PARALLEL_ARRAYS = 171 CannotIndexParallelArrays;
    INVALID_INDEX_SPECIFICATION_OPTION = 197 InvalidIndexSpecificationOption;
    NO_QUERY_EXECUTION_PLANS = 291 NoQueryExecutionPlans;
    EXCEEDED_MEMORY_LIMIT = 292 QueryExceededMemoryLimitNoDiskUseAllowed;
    TRANSACTION_TOO_OLD = 225 TransactionTooOld;
    INDEX_BUILD_ABORTED = 276 IndexBuildAborted;
    UNRECOVERABLE_STORAGE = 366 DataCorruptionDetected;
    INTERRUPTED = 11601 Interrupted;
    DUPLICATE_KEY = 11000 DuplicateKey;
    BSON_OBJECT_TOO_LARGE = 10334 BSONObjectTooLarge;
    OUT_OF_DISK_SPACE = 14031 OutOfDiskSpace;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_are_unique() {
        let numbers: HashSet<i32> = ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers.len(), ALL.len());
    }
}
