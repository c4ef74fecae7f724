//! Any sequence of calls with any arguments: errors at most.
#![expect(clippy::expect_used, reason = "a test may fail so")]

#[path = "calls/interpreter.rs"]
mod interpreter;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_sequence_of_calls_does_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        interpreter::run(&bytes);
    }
}
