//! A filter, and a document it is applied to: what parses prints and reads back, and matches alike.
#![no_main]

use bson::{DateTime, RawDocument};
use fieldveil_query::filter::Filter;
use fieldveil_store::eval::Context;
use fieldveil_store::eval::matcher::Matcher;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], &[u8])| {
    let Ok(filter) = RawDocument::from_bytes(data.0) else { return };
    let Ok(filter) = Filter::parse(filter) else { return };
    let printed = Filter::parse(&filter.to_raw()).expect("what is printed parses");
    assert_eq!(printed.to_raw().as_bytes(), filter.to_raw().as_bytes());
    let context = Context::new(DateTime::from_millis(0));
    let Ok(document) = RawDocument::from_bytes(data.1) else { return };
    if let Ok(matcher) = Matcher::compile(&filter, &context) {
        let _ = matcher.find_position(document);
    }
});
