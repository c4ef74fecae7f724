//! An expression and a document: what parses prints and reads back, and evaluation does not panic.
#![no_main]

use bson::{DateTime, RawDocument};
use fieldveil_query::expression::Expression;
use fieldveil_store::eval::Context;
use fieldveil_store::eval::expression::Compiled;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], &[u8])| {
    let Ok(holder) = RawDocument::from_bytes(data.0) else { return };
    let Some(Ok((_, value))) = holder.iter().next() else { return };
    let Ok(expression) = Expression::parse(value) else { return };
    Expression::parse(expression.to_raw().as_raw_bson_ref()).expect("what is printed parses");
    let context = Context::new(DateTime::from_millis(0));
    let Ok(compiled) = Compiled::compile(&expression, &context) else { return };
    let Ok(document) = RawDocument::from_bytes(data.1) else { return };
    let _ = compiled.evaluate(document, &context);
});
