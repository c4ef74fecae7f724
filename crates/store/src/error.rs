//! What can go wrong in the store, in the shape of MongoDB's replies.

use std::fmt;

use bson::RawDocumentBuf;

use crate::code::Code;

/// The result of a store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An error with MongoDB's code, name and message.
///
/// It is one boxed value, so that the result of every small function stays small.
#[derive(Clone)]
pub struct StoreError(Box<Fields>);

#[derive(Clone)]
struct Fields {
    code: i32,
    message: String,
    err_info: Option<RawDocumentBuf>,
    extra: Option<RawDocumentBuf>,
}

impl StoreError {
    /// The code of a read that was given up only because it was to be brief; see
    /// [`crate::Interrupt::briefly`]. It is none of MongoDB's.
    pub const NOT_BRIEF: Code = Code::location(-1);

    pub(crate) fn not_brief() -> Self {
        Self::new(Self::NOT_BRIEF, "the read is not brief")
    }

    /// An error with `code` and the message a client sees.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Fields {
            code: code.number(),
            message: message.into(),
            err_info: None,
            extra: None,
        }))
    }

    /// Adds the `errInfo` document.
    #[must_use]
    pub fn with_err_info(mut self, err_info: RawDocumentBuf) -> Self {
        self.0.err_info = Some(err_info);
        self
    }

    /// Adds fields that stand beside `code` and `errmsg`, such as `keyPattern` and `keyValue`.
    #[must_use]
    pub fn with_extra(mut self, extra: RawDocumentBuf) -> Self {
        self.0.extra = Some(extra);
        self
    }

    /// Puts `context` and a colon before the message.
    #[must_use]
    pub fn context(mut self, context: &str) -> Self {
        self.0.message = format!("{context} :: caused by :: {}", self.0.message);
        self
    }

    /// MongoDB's number for the fault.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.0.code
    }

    /// MongoDB's name for the fault.
    #[must_use]
    pub fn code_name(&self) -> String {
        fieldveil_query::code_name(self.0.code)
    }

    /// What happened, for a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The `errInfo` of a document validation failure.
    #[must_use]
    pub fn err_info(&self) -> Option<&bson::RawDocument> {
        self.0.err_info.as_deref()
    }

    /// Further fields of the reply (`keyPattern`, `keyValue`).
    #[must_use]
    pub fn extra(&self) -> Option<&bson::RawDocument> {
        self.0.extra.as_deref()
    }

    /// Whether this is `code`.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.0.code == code.number()
    }

    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self::new(Code::BAD_VALUE, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::INTERNAL_ERROR, message)
    }

    /// A value in the store that does not read back as what was written.
    pub(crate) fn damaged(what: impl fmt::Display) -> Self {
        Self::new(
            Code::UNRECOVERABLE_STORAGE,
            format!("the data file is damaged: {what}; run `fieldveil store check`"),
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// Messages may quote keys of a client's documents, never encrypted fields in the clear: those
/// reach the store as ciphertext only.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({} {}: {})", self.0.code, self.code_name(), self.0.message)
    }
}

impl std::error::Error for StoreError {}

impl From<bson::error::Error> for StoreError {
    fn from(error: bson::error::Error) -> Self {
        Self::new(Code::INVALID_BSON, format!("invalid BSON: {error}"))
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        Self::from(redb::Error::from(error))
    }
}

impl From<redb::TableError> for StoreError {
    fn from(error: redb::TableError) -> Self {
        Self::from(redb::Error::from(error))
    }
}

impl From<redb::TransactionError> for StoreError {
    fn from(error: redb::TransactionError) -> Self {
        Self::from(redb::Error::from(error))
    }
}

impl From<redb::CommitError> for StoreError {
    fn from(error: redb::CommitError) -> Self {
        Self::from(redb::Error::from(error))
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match &error {
            redb::Error::Io(io)
                if matches!(
                    io.kind(),
                    std::io::ErrorKind::StorageFull
                        | std::io::ErrorKind::QuotaExceeded
                        | std::io::ErrorKind::FileTooLarge
                ) =>
            {
                Self::new(
                    Code::OUT_OF_DISK_SPACE,
                    format!(
                        "no space left for the data file ({io}); nothing acknowledged was lost: \
                         free some space and repeat the write"
                    ),
                )
            }
            redb::Error::Corrupted(what) => Self::damaged(what),
            _ => Self::internal(format!("storage failed: {error}")),
        }
    }
}

impl From<fieldveil_query::QueryError> for StoreError {
    fn from(error: fieldveil_query::QueryError) -> Self {
        let extra = error.extra().map(ToOwned::to_owned);
        let error = Self::new(Code::location(error.code()), error.message());
        match extra {
            Some(extra) => error.with_extra(extra),
            None => error,
        }
    }
}

/// Pipelines have errors of the query language only; `errInfo` is left behind.
impl From<StoreError> for fieldveil_query::QueryError {
    fn from(error: StoreError) -> Self {
        let plain = Self::new(error.code(), error.message());
        match error.extra() {
            Some(extra) => plain.with_extra(extra.to_owned()),
            None => plain,
        }
    }
}
