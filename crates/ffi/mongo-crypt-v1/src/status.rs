//! What became of a call, as C sees it.

use std::{
    ffi::{CStr, CString, c_int},
    panic::{AssertUnwindSafe, catch_unwind},
};

use fieldveil_analysis::AnalyzeError;

/// The status object of the C interface.
#[derive(Debug)]
pub struct Status {
    error: c_int,
    code: c_int,
    explanation: CString,
}

/// Why a call failed. The numbers are those of the header.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A fault of this library.
    Unknown(&'static str),
    /// The memory for a result is not there.
    NoMemory,
    /// Analysis refused the command.
    Refused(AnalyzeError),
    /// An argument that must not be NULL is.
    Argument(String),
    /// The process has a library handle already.
    AlreadyInitialized,
    /// The process has no library handle.
    NotInitialized,
    /// The handle is not the one that the process has.
    InvalidHandle,
    /// There are analyzers of the library left.
    AnalyzersLeft,
}

impl From<AnalyzeError> for Failure {
    fn from(error: AnalyzeError) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    pub(crate) fn null(argument: &str) -> Self {
        Self::Argument(format!("'{argument}' must not be NULL"))
    }

    fn error(&self) -> c_int {
        match self {
            Self::Unknown(_) => -1,
            Self::NoMemory => 1,
            Self::Refused(_) | Self::Argument(_) | Self::AnalyzersLeft => 2,
            Self::AlreadyInitialized => 3,
            Self::NotInitialized => 4,
            Self::InvalidHandle => 5,
        }
    }

    /// The MongoDB code: the error's own, or `BadValue` for a wrong call.
    fn code(&self) -> c_int {
        match self {
            Self::Refused(error) => error.code(),
            Self::Argument(_) | Self::AnalyzersLeft => 2,
            _ => 0,
        }
    }

    fn explanation(&self) -> String {
        match self {
            Self::Unknown(text) => (*text).to_owned(),
            Self::NoMemory => "out of memory".to_owned(),
            Self::Refused(error) => error.to_string(),
            Self::Argument(text) => text.clone(),
            Self::AlreadyInitialized => {
                "mongo_crypt_v1_lib_create was called already, and mongo_crypt_v1_lib_destroy was \
                 not"
                .to_owned()
            }
            Self::NotInitialized => "mongo_crypt_v1_lib_create was not called".to_owned(),
            Self::InvalidHandle => "the handle is not that of the library".to_owned(),
            Self::AnalyzersLeft => {
                "query analyzers must be destroyed before the library".to_owned()
            }
        }
    }
}

impl Status {
    pub(crate) fn success() -> Self {
        Self { error: 0, code: 0, explanation: CString::default() }
    }

    pub(crate) fn error(&self) -> c_int {
        self.error
    }

    pub(crate) fn code(&self) -> c_int {
        self.code
    }

    pub(crate) fn explanation(&self) -> &CStr {
        &self.explanation
    }

    fn fail(&mut self, failure: &Failure) {
        // A zero byte, from a name in the command, would end the text.
        let text = failure.explanation().replace('\0', "\\0");
        self.error = failure.error();
        self.code = failure.code();
        self.explanation = CString::new(text).unwrap_or_default();
    }
}

/// Does the work of an exported function: nothing unwinds, and the status tells what happened.
pub(crate) fn answer<T>(
    status: Option<&mut Status>,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Option<T> {
    // After a panic nothing of what `work` borrowed is used again, but the status.
    let result = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or(Err(Failure::Unknown("an internal error was caught at the library's border")));
    if let Some(status) = status {
        *status = Status::success();
        if let Err(failure) = &result {
            status.fail(failure);
        }
    }
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_without_details() {
        let mut status = Status::success();
        let result: Option<()> = answer(Some(&mut status), || panic!("on purpose"));
        assert_eq!(result, None);
        assert_eq!(status.error(), -1);
        assert!(!status.explanation().is_empty());
        assert_eq!(answer(Some(&mut status), || Ok(1)), Some(1));
        assert_eq!((status.error(), status.explanation()), (0, c""));
    }
}
