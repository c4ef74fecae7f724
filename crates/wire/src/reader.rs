//! A reader of little-endian fields that never reads past its bytes.

use crate::error::WireError;

#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize, part: &'static str) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(WireError::Malformed { part })?;
        self.bytes = tail;
        Ok(head)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    pub(crate) fn u8(&mut self, part: &'static str) -> Result<u8, WireError> {
        Ok(self.array::<1>(part)?[0])
    }

    pub(crate) fn i32(&mut self, part: &'static str) -> Result<i32, WireError> {
        self.array(part).map(i32::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, part: &'static str) -> Result<u32, WireError> {
        self.array(part).map(u32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self, part: &'static str) -> Result<i64, WireError> {
        self.array(part).map(i64::from_le_bytes)
    }

    /// A zero-terminated UTF-8 string.
    pub(crate) fn c_string(&mut self, part: &'static str) -> Result<&'a str, WireError> {
        let malformed = || WireError::Malformed { part };
        let len = self.bytes.iter().position(|&byte| byte == 0).ok_or_else(malformed)?;
        let text = self.take(len, part)?;
        self.take(1, part)?;
        std::str::from_utf8(text).map_err(|_| malformed())
    }

    /// The bytes of a BSON document, by its own length prefix. Only the frame is checked.
    pub(crate) fn document(&mut self, part: &'static str) -> Result<&'a [u8], WireError> {
        let malformed = || WireError::Malformed { part };
        let prefix = self.bytes.first_chunk::<4>().ok_or_else(malformed)?;
        let len = usize::try_from(i32::from_le_bytes(*prefix)).map_err(|_| malformed())?;
        if len < 5 {
            return Err(malformed());
        }
        self.take(len, part)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], WireError> {
        let (head, tail) =
            self.bytes.split_first_chunk::<N>().ok_or(WireError::Malformed { part })?;
        self.bytes = tail;
        Ok(*head)
    }
}
