//! What an index entry's value says: 48 bits for the record, and above them the forms of its key.

use crate::error::{Result, StoreError};
use crate::index_key::forms::Forms;

/// The greatest id of a record.
const RECORD_MAX: u64 = (1 << RECORD_BITS) - 1;

const RECORD_BITS: u32 = 48;

/// Where an index entry leads, and what its key does not tell of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) record: u64,
    pub(crate) forms: Forms,
}

impl Entry {
    /// The number in the table.
    ///
    /// # Errors
    /// For a record id that does not fit.
    pub(crate) fn pack(self) -> Result<u64> {
        if self.record > RECORD_MAX {
            return Err(StoreError::internal("the collection has used up its record ids"));
        }
        Ok(u64::from(self.forms.bits()) << RECORD_BITS | self.record)
    }

    pub(crate) fn unpack(value: u64) -> Self {
        let forms = u16::try_from(value >> RECORD_BITS).unwrap_or(0);
        Self { record: value & RECORD_MAX, forms: Forms::from_bits(forms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_and_forms_stay_apart() {
        for (record, bits) in [(0, 0), (1, u16::MAX), (RECORD_MAX, 0), (RECORD_MAX, 0x8001)] {
            let entry = Entry { record, forms: Forms::from_bits(bits) };
            assert_eq!(Entry::unpack(entry.pack().unwrap()), entry);
        }
        let beyond = Entry { record: RECORD_MAX + 1, forms: Forms::UNKNOWN };
        assert!(beyond.pack().is_err());
    }
}
