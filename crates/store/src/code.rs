//! The error codes of MongoDB's protocol that the store answers with.

/// A MongoDB error code; [`fieldveil_query::code_name`] has its published name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(i32);

impl Code {
    /// One of the codes that have no name of their own.
    #[must_use]
    pub const fn location(number: i32) -> Self {
        Self(number)
    }

    /// The number in a reply's `code` field.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// Declares the table of codes.
macro_rules! codes {
    ($($constant:ident = $number:literal;)*) => {
        impl Code {
            $(
                #[doc = concat!("Code ", stringify!($number), ".")]
                pub const $constant: Self = Self($number);
            )*
        }

        #[cfg(test)]
        const ALL: &[Code] = &[$(Code::$constant),*];
    };
}

codes! {
    INTERNAL_ERROR = 1;
    BAD_VALUE = 2;
    FAILED_TO_PARSE = 9;
    TYPE_MISMATCH = 14;
    OVERFLOW = 15;
    ILLEGAL_OPERATION = 20;
    INVALID_BSON = 22;
    NAMESPACE_NOT_FOUND = 26;
    INDEX_NOT_FOUND = 27;
    NAMESPACE_EXISTS = 48;
    MAX_TIME_MS_EXPIRED = 50;
    DOLLAR_PREFIXED_FIELD_NAME = 52;
    INVALID_ID_FIELD = 53;
    IMMUTABLE_FIELD = 66;
    CANNOT_CREATE_INDEX = 67;
    AMBIGUOUS_INDEX_KEY_PATTERN = 181;
    INVALID_OPTIONS = 72;
    INVALID_NAMESPACE = 73;
    INDEX_OPTIONS_CONFLICT = 85;
    INDEX_KEY_SPECS_CONFLICT = 86;
    COMMAND_NOT_SUPPORTED = 115;
    DOCUMENT_VALIDATION_FAILURE = 121;
    VIEW_DEPTH_LIMIT_EXCEEDED = 165;
    COMMAND_NOT_SUPPORTED_ON_VIEW = 166;
    OPTION_NOT_SUPPORTED_ON_VIEW = 167;
    INVALID_PIPELINE_OPERATOR = 168;
    GRAPH_CONTAINS_CYCLE = 5;
    CAPPED_POSITION_LOST = 136;
    CANNOT_INDEX_PARALLEL_ARRAYS = 171;
    INVALID_INDEX_SPECIFICATION_OPTION = 197;
    NO_QUERY_EXECUTION_PLANS = 291;
    EXCEEDED_MEMORY_LIMIT = 292;
    TRANSACTION_TOO_OLD = 225;
    INDEX_BUILD_ABORTED = 276;
    UNRECOVERABLE_STORAGE = 366;
    CLIENT_DISCONNECT = 279;
    INTERRUPTED_AT_SHUTDOWN = 11600;
    INTERRUPTED = 11601;
    DUPLICATE_KEY = 11000;
    BSON_OBJECT_TOO_LARGE = 10334;
    OUT_OF_DISK_SPACE = 14031;
    DATABASE_DIFFERS_IN_CASE = 13297;
    NOT_IMPLEMENTED = 238;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_have_names() {
        let numbers: HashSet<i32> = ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers.len(), ALL.len());
        for number in numbers {
            assert!(!fieldveil_query::code_name(number).starts_with("Location"), "{number}");
        }
    }
}
