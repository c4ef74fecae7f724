//! Collects a reply; its first 8 bytes say how long it is.

use zeroize::Zeroizing;

use super::ttlv::HEADER_BYTES;
use crate::http::MAX_REPLY_BYTES;

/// Most that is asked for at once.
const MAX_WANTED_BYTES: usize = 1024;

/// Collects one reply.
pub(crate) struct KmipParser {
    message: Zeroizing<Vec<u8>>,
    /// Length of the whole message, once it is known.
    length: Option<usize>,
}

impl KmipParser {
    pub(crate) fn new() -> Self {
        Self { message: Zeroizing::new(Vec::new()), length: None }
    }

    /// How many bytes may be fed next; 0 when the message is complete.
    pub(crate) fn wanted(&self) -> usize {
        let total = self.length.unwrap_or(HEADER_BYTES);
        total.saturating_sub(self.message.len()).min(MAX_WANTED_BYTES)
    }

    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes bytes of the message, no more than are wanted.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        if bytes.len() > self.wanted() {
            return Err("KMIP parser was fed too much data");
        }
        self.message.extend_from_slice(bytes);
        if self.length.is_none()
            && let Some([_, _, _, _, length @ ..]) = self.message.first_chunk::<HEADER_BYTES>()
        {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if length > MAX_REPLY_BYTES {
                return Err("KMS KMIP response too large");
            }
            self.length = Some(HEADER_BYTES + length);
        }
        Ok(())
    }
}
