//! What analysis does to a command, and why: for people.

use bson::raw::RawDocument;

use crate::{
    Analysis, AnalyzeError, RequestError, SchemaSet,
    command::analyze_with,
    marking::{EncryptedValue, Marker},
};

/// What became of a command.
#[derive(Debug, Clone)]
pub enum Explanation {
    /// It was rewritten, or passed on as it is.
    Passed {
        /// The command as it will leave.
        analysis: Analysis,
        /// Every value in it that will be encrypted, in the order of the command.
        values: Vec<EncryptedValue>,
    },
    /// It was refused.
    Refused(Refusal),
}

/// Why a command was refused, where, and what to write instead.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The reason.
    pub error: AnalyzeError,
    /// Where in the command the reason lies, as a dotted path; empty if it is the whole.
    pub place: String,
    /// What to do instead, if there is anything to say.
    pub advice: Option<String>,
}

/// Analyses a command as [`crate::analyze`] does, and tells what happened to it.
pub fn explain(command: &RawDocument, db: &str, schemas: &SchemaSet) -> Explanation {
    let mut marker = Marker::recording();
    match analyze_with(&mut marker, command, db, schemas) {
        Ok(analysis) => Explanation::Passed { analysis, values: marker.into_record() },
        Err(error) => {
            let place = match &error {
                AnalyzeError::Request(
                    RequestError::Malformed { at } | RequestError::ForeignMarking { at },
                ) => at.clone(),
                _ => marker.place().to_owned(),
            };
            let advice = error.advice();
            Explanation::Refused(Refusal { error, place, advice })
        }
    }
}
