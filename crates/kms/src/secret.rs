//! Credentials in types that wipe on drop and never print.

use std::fmt;

use zeroize::Zeroizing;

/// Text that must not be shown: an access token, a client secret.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes `text` over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The only way out; every call site is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Bytes that must not be shown: a private key, an unwrapped data key in a reply.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes `bytes` over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The only way out; every call site is a place to review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl From<Zeroizing<String>> for SecretText {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let text = format!("{:?}", SecretText::new("hunter2".into()));
        let bytes = format!("{:?}", SecretBytes::new(b"hunter2".to_vec()));
        assert_eq!((text.as_str(), bytes.as_str()), ("SecretText(..)", "SecretBytes(..)"));
    }
}
