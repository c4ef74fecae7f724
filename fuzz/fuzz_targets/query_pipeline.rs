//! A pipeline: what parses prints and reads back.
#![no_main]

use bson::RawDocument;
use fieldveil_query::pipeline::Pipeline;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(command) = RawDocument::from_bytes(data) else { return };
    let Ok(stages) = command.get_array("pipeline") else { return };
    let Ok(pipeline) = Pipeline::parse(stages) else { return };
    Pipeline::parse(&pipeline.to_raw()).expect("what is printed parses");
});
