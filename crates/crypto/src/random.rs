//! The seam through which randomness enters.

/// A source of cryptographically secure random bytes.
///
/// Handed in by the caller, so that this crate depends on no operating system, a C caller may put
/// its own generator in, and a test may fix the bytes.
pub trait Random {
    /// Fills `out` completely.
    ///
    /// # Errors
    /// When the source fails; `out` then holds nothing of use.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError>;
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill(out)
    }
}

/// A random source failed. The reason is the source's own text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not get random bytes: {reason}")]
pub struct RandomError {
    reason: String,
}

impl RandomError {
    /// With the text that the source gave, for example of the operating system's error.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// The text of the source alone.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
