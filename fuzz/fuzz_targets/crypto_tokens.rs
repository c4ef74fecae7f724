//! The tokens of many values in one batch: equal to those derived one by one.
//!
//! The first byte chooses the text index, the next eight are the contention factor; then each value
//! is a byte with its length and so many bytes.
#![no_main]

use std::sync::LazyLock;

use fieldveil_crypto::DataKey;
use fieldveil_crypto::qe::tokens::TextIndex;
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<DataKey> = LazyLock::new(|| DataKey::try_from(&[3; 96][..]).unwrap());

fuzz_target!(|data: &[u8]| {
    let Some(([kind, factor @ ..], mut rest)) = data.split_first_chunk::<9>() else { return };
    let text = match kind % 5 {
        0 => None,
        1 => Some(TextIndex::Exact),
        2 => Some(TextIndex::Substring),
        3 => Some(TextIndex::Suffix),
        _ => Some(TextIndex::Prefix),
    };
    let factor = u64::from_le_bytes(*factor);
    let mut values: Vec<&[u8]> = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (value, after) = after.split_at(after.len().min(usize::from(*length)));
        values.push(value);
        rest = after;
    }

    let top = KEY.index_tokens();
    let find = top.find_tokens(text, &values);
    let insert = top.insert_tokens(text, &values, factor);
    assert!(find.len() == values.len() && insert.len() == values.len());
    for ((value, find), insert) in values.iter().zip(find).zip(insert) {
        let (edc, esc, server) = match text {
            None => (
                top.edc.derived_from_data(value),
                top.esc.derived_from_data(value),
                top.server_derivation.derived_from_data(value),
            ),
            Some(text) => (
                top.edc.text(text).derived_from_data(value),
                top.esc.text(text).derived_from_data(value),
                top.server_derivation.text(text).derived_from_data(value),
            ),
        };
        assert!(find.edc.as_bytes() == edc.as_bytes());
        assert!(find.esc.as_bytes() == esc.as_bytes());
        assert!(find.server.as_bytes() == server.as_bytes());
        assert!(insert.edc.as_bytes() == edc.and_contention_factor(factor).as_bytes());
        assert!(insert.esc.as_bytes() == esc.and_contention_factor(factor).as_bytes());
        assert!(insert.server.as_bytes() == server.as_bytes());
    }
});
