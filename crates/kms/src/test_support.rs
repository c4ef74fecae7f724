//! What several tests need.

use fieldveil_crypto::{Random, RandomError};

/// Counts up: every call gives other bytes, the same in every run.
pub(crate) struct Counting(pub(crate) u8);

impl Random for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        for byte in out {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

/// A reply with a body and its length.
pub(crate) fn http_reply(status: i32, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Bytes of a dump in hexadecimal, with white space wherever it helps reading.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    ::hex::decode(digits).unwrap()
}
