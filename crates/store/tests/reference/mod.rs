//! Evaluators as plain as possible, to compare with: they work on owned documents, read filters
//! and updates themselves, and share no code with what they check but the parser of BSON.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "a test's evaluators")]

use bson::raw::{RawBson, RawDocument};
use bson::{Bson, Document};

mod filter;
mod order;
mod update;

pub(crate) use filter::matches;
pub(crate) use order::compare;
pub(crate) use update::{Unknown, apply};

pub(crate) fn owned_document(document: &RawDocument) -> Document {
    Document::try_from(document).unwrap()
}

pub(crate) fn raw(value: &Bson) -> RawBson {
    RawBson::try_from(value.clone()).unwrap()
}

pub(crate) fn owned(value: &RawBson) -> Bson {
    Bson::try_from(value.clone()).unwrap()
}
