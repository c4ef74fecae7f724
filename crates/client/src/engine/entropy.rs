//! The operating system's random numbers.

use fieldveil_crypto::{Random, RandomError};

/// Fills from `getrandom(2)` and its like.
#[derive(Debug)]
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(out).map_err(|error| RandomError::new(error.to_string()))
    }
}
