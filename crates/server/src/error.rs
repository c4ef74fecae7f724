//! The error of a command, as it stands in a reply.

use bson::{RawDocumentBuf, raw::cstr};
use fieldveil_query::{QueryError, code_name};
use fieldveil_store::StoreError;

use crate::codes;

/// Why a command failed: MongoDB's code, its name and a message, and what else the reply holds.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    pub(crate) code: i32,
    pub(crate) message: String,
    /// Fields that follow `codeName` in the reply, such as `errInfo` or `keyPattern`.
    pub(crate) details: RawDocumentBuf,
}

pub(crate) type CommandResult = Result<RawDocumentBuf, CommandError>;

impl CommandError {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: RawDocumentBuf::new() }
    }

    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self::new(codes::BAD_VALUE, message)
    }

    pub(crate) fn failed_to_parse(message: impl Into<String>) -> Self {
        Self::new(codes::FAILED_TO_PARSE, message)
    }

    pub(crate) fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(codes::TYPE_MISMATCH, message)
    }

    /// The whole reply: `ok: 0`, the message, the code and its name, then the details.
    pub(crate) fn to_reply(&self) -> RawDocumentBuf {
        let mut reply = RawDocumentBuf::new();
        reply.append(cstr!("ok"), 0.0);
        reply.append(cstr!("errmsg"), self.message.as_str());
        reply.append(cstr!("code"), self.code);
        reply.append(cstr!("codeName"), code_name(self.code));
        crate::reply::append_all(&mut reply, &self.details);
        reply
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let mut details = RawDocumentBuf::new();
        if let Some(info) = error.err_info() {
            details.append(cstr!("errInfo"), info);
        }
        if let Some(extra) = error.extra() {
            crate::reply::append_all(&mut details, extra);
        }
        Self { details, ..Self::new(error.code(), error.message()) }
    }
}

impl From<QueryError> for CommandError {
    fn from(error: QueryError) -> Self {
        Self::from(StoreError::from(error))
    }
}
