//! The `fieldveil` program.
#![forbid(unsafe_code)]
fn main() {}
