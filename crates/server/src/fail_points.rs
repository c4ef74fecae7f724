//! Fail points: faults that a test asks for, behind `--enable-test-commands`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use crate::{
    arguments::{integer, number},
    codes,
    error::CommandError,
    sessions::SessionId,
    table::Command,
};

/// Names that are understood.
const KNOWN: &[&str] = &[
    "failCommand",
    "failGetMoreAfterCursorCheckout",
    "maxTimeAlwaysTimeOut",
    "maxTimeNeverTimeOut",
    "onPrimaryTransactionalWrite",
];

/// The fail points that are set.
#[derive(Debug, Default)]
pub(crate) struct FailPoints {
    set: Mutex<HashMap<&'static str, FailPoint>>,
    /// Writes that were let through while their answer was withheld. What comes again under the same
    /// number is not a write any more.
    written: Mutex<HashSet<(SessionId, i64)>>,
}

#[derive(Clone, Debug)]
struct FailPoint {
    mode: Mode,
    data: RawDocumentBuf,
    entered: i64,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Always,
    Times(i64),
    Skip(i64),
}

/// What `onPrimaryTransactionalWrite` does to a write that may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriteFault {
    /// Fail with this code, and write nothing.
    pub(crate) before_commit: Option<i32>,
    /// Close the connection in place of an answer.
    pub(crate) close: bool,
}

/// What a fail point does to a command.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    pub(crate) block: Option<Duration>,
    pub(crate) close: bool,
    pub(crate) error_code: Option<i32>,
    pub(crate) error_extra: Option<RawDocumentBuf>,
    pub(crate) error_labels: Option<Vec<String>>,
    pub(crate) write_concern_error: Option<RawDocumentBuf>,
}

impl FailPoints {
    /// Sets or clears a fail point; gives how often it was entered before.
    ///
    /// # Errors
    /// An unknown name or mode.
    pub(crate) fn configure(
        &self,
        name: &str,
        mode: RawBsonRef<'_>,
        data: Option<&RawDocument>,
    ) -> Result<i64, CommandError> {
        let name = KNOWN
            .iter()
            .copied()
            .find(|known| *known == name)
            .ok_or_else(|| CommandError::new(15986, format!("fail point not found: {name}")))?;
        let mode = parse_mode(mode)?;
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let before = set.get(name).map_or(0, |point| point.entered);
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clear();
        match mode {
            None => {
                set.remove(name);
            }
            Some(mode) => {
                let data = data.map(ToOwned::to_owned).unwrap_or_default();
                set.insert(name, FailPoint { mode, data, entered: 0 });
            }
        }
        Ok(before)
    }

    /// The fault that `failCommand` holds for a command, by any of its names; used up by asking.
    pub(crate) fn for_command(
        &self,
        command: &Command,
        app_name: Option<&str>,
        namespace: &str,
    ) -> Option<Fault> {
        self.enter("failCommand", |data| {
            let names = data.get_array("failCommands").ok();
            let is_named = flag(data, "failAllCommands")
                || names.is_some_and(|names| {
                    let mut named = names.into_iter().flatten().filter_map(|name| name.as_str());
                    named.any(|name| command.names().any(|it| it == name))
                });
            let is_app = data.get_str("appName").ok().is_none_or(|name| Some(name) == app_name);
            let is_namespace = data.get_str("namespace").ok().is_none_or(|name| name == namespace);
            is_named && is_app && is_namespace
        })
        .map(|data| fault(&data))
    }

    /// The fault of a write of so many statements that may be sent again, used up by asking for each
    /// statement.
    pub(crate) fn for_retryable_write(
        &self,
        session: SessionId,
        number: i64,
        statements: usize,
    ) -> Option<WriteFault> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.contains(&(session, number)) {
            return None;
        }
        let data = (0..statements).find_map(|_| self.named("onPrimaryTransactionalWrite"))?;
        let code = data.get("failBeforeCommitExceptionCode").ok().flatten().and_then(integer);
        if code.is_none() {
            written.insert((session, number));
        }
        Some(WriteFault {
            before_commit: code.and_then(|code| i32::try_from(code).ok()),
            close: !matches!(data.get("closeConnection"), Ok(Some(RawBsonRef::Boolean(false)))),
        })
    }

    /// Whether another fail point is on; used up by asking.
    pub(crate) fn named(&self, name: &'static str) -> Option<RawDocumentBuf> {
        self.enter(name, |_| true)
    }

    fn enter(
        &self,
        name: &'static str,
        applies: impl FnOnce(&RawDocument) -> bool,
    ) -> Option<RawDocumentBuf> {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let point = set.get_mut(name)?;
        if !applies(&point.data) {
            return None;
        }
        match &mut point.mode {
            Mode::Always => {}
            Mode::Skip(0) => {}
            Mode::Skip(left) => {
                *left -= 1;
                return None;
            }
            Mode::Times(0) => return None,
            Mode::Times(left) => *left -= 1,
        }
        point.entered += 1;
        Some(point.data.clone())
    }
}

fn parse_mode(mode: RawBsonRef<'_>) -> Result<Option<Mode>, CommandError> {
    let unknown = || CommandError::bad_value("unknown fail point mode");
    match mode {
        RawBsonRef::String("off") => Ok(None),
        RawBsonRef::String("alwaysOn") => Ok(Some(Mode::Always)),
        RawBsonRef::Document(mode) => {
            let count = |name| mode.get(name).ok().flatten().and_then(integer);
            if let Some(times) = count("times") {
                Ok(Some(Mode::Times(times)))
            } else if let Some(skip) = count("skip") {
                Ok(Some(Mode::Skip(skip)))
            } else if mode.get("activationProbability").ok().flatten().and_then(number) == Some(1.0)
            {
                Ok(Some(Mode::Always))
            } else {
                Err(unknown())
            }
        }
        _ => Err(unknown()),
    }
}

fn flag(data: &RawDocument, name: &str) -> bool {
    matches!(data.get(name), Ok(Some(RawBsonRef::Boolean(true))))
}

fn fault(data: &RawDocument) -> Fault {
    let count = |name| data.get(name).ok().flatten().and_then(integer);
    let labels = data.get_array("errorLabels").ok().map(|labels| {
        labels.into_iter().flatten().filter_map(|label| label.as_str()).map(str::to_owned).collect()
    });
    let write_concern_error = data.get_document("writeConcernError").ok().map(ToOwned::to_owned);
    Fault {
        block: flag(data, "blockConnection")
            .then(|| count("blockTimeMS").and_then(|millis| u64::try_from(millis).ok()))
            .flatten()
            .map(Duration::from_millis),
        close: flag(data, "closeConnection"),
        error_code: count("errorCode").and_then(|code| i32::try_from(code).ok()),
        error_extra: data.get_document("errorExtraInfo").ok().map(ToOwned::to_owned),
        error_labels: labels,
        write_concern_error,
    }
}

/// The error of a fault, if it has one.
pub(crate) fn error(fault: &Fault) -> Option<CommandError> {
    let code = fault.error_code?;
    let mut error = CommandError::new(code, "Failing command via 'failCommand' failpoint");
    if let Some(extra) = &fault.error_extra {
        error.details = extra.clone();
    }
    if code == codes::COMMAND_NOT_FOUND {
        error.message = "no such command".to_owned();
    }
    Some(error)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn command(name: &str) -> &'static Command {
        crate::table::find(name).unwrap()
    }

    #[test]
    fn times_run_out_and_names_must_match() {
        let points = FailPoints::default();
        let mode = rawdoc! { "times": 2 };
        let data = rawdoc! { "failCommands": ["find"], "errorCode": 11600 };
        points.configure("failCommand", RawBsonRef::Document(&mode), Some(&data)).unwrap();
        assert!(points.for_command(command("insert"), None, "a.b").is_none());
        for _ in 0..2 {
            let fault = points.for_command(command("find"), None, "a.b").unwrap();
            assert_eq!(fault.error_code, Some(11600));
        }
        assert!(points.for_command(command("find"), None, "a.b").is_none());
        let off = RawBsonRef::String("off");
        assert_eq!(points.configure("failCommand", off, None).unwrap(), 2);
    }

    #[test]
    fn all_commands_fail_when_none_is_named() {
        let points = FailPoints::default();
        let data = rawdoc! { "failAllCommands": true, "closeConnection": true };
        let mode = RawBsonRef::String("alwaysOn");
        points.configure("failCommand", mode, Some(&data)).unwrap();
        assert!(points.for_command(command("find"), None, "a.b").unwrap().close);
    }

    #[test]
    fn a_write_fails_before_it_is_committed_or_loses_its_answer() {
        let points = FailPoints::default();
        let mode = RawBsonRef::String("alwaysOn");
        points.configure("onPrimaryTransactionalWrite", mode, None).unwrap();
        let lost = WriteFault { before_commit: None, close: true };
        assert_eq!(points.for_retryable_write([1; 16], 1, 2), Some(lost));
        assert_eq!(points.for_retryable_write([1; 16], 1, 2), None, "it is written already");
        let data = rawdoc! { "failBeforeCommitExceptionCode": 1, "closeConnection": false };
        let skip = rawdoc! { "skip": 3 };
        let mode = RawBsonRef::Document(&skip);
        points.configure("onPrimaryTransactionalWrite", mode, Some(&data)).unwrap();
        let failed = WriteFault { before_commit: Some(1), close: false };
        assert_eq!(points.for_retryable_write([1; 16], 1, 3), None);
        for _ in 0..2 {
            assert_eq!(points.for_retryable_write([1; 16], 2, 1), Some(failed));
        }
    }

    #[test]
    fn an_unknown_point_is_an_error() {
        let points = FailPoints::default();
        let error = points.configure("x", RawBsonRef::String("alwaysOn"), None).unwrap_err();
        assert_eq!(error.message, "fail point not found: x");
    }
}
