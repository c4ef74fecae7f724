//! Calls of the C interface in any order and with any arguments.
#![no_main]

#[path = "../../crates/ffi/mongocrypt/tests/calls/interpreter.rs"]
mod interpreter;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| interpreter::run(bytes));
