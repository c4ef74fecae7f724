//! An update and a document: what parses prints and reads back, and the outcome is a document.
#![no_main]

use bson::{DateTime, RawDocument};
use fieldveil_query::update::{Update, parse_array_filters};
use fieldveil_store::eval::Context;
use fieldveil_store::eval::update::Updater;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], &[u8])| {
    let Ok(command) = RawDocument::from_bytes(data.0) else { return };
    let Ok(Some(update)) = command.get("u") else { return };
    let Ok(update) = Update::parse(update) else { return };
    Update::parse(update.to_raw().as_raw_bson_ref()).expect("what is printed parses");
    let filters = command.get("arrayFilters").ok().flatten().and_then(|value| value.as_array());
    let Ok(filters) = parse_array_filters(filters, &update) else { return };
    let context = Context::new(DateTime::from_millis(0));
    let Ok(updater) = Updater::compile(&update, &filters, &context) else { return };
    let Ok(document) = RawDocument::from_bytes(data.1) else { return };
    let _ = updater.apply(document, Some(0));
});
