//! Base64 in its two alphabets; decoding goes straight into memory that is wiped.

use base64::Engine;
use base64::alphabet::{STANDARD as STANDARD_ALPHABET, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

/// `-` and `_`; written with padding, read with or without it.
const URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// `+` and `/`, read with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn to_base64(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

pub(crate) fn to_base64url(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(URL.encode(bytes))
}

pub(crate) fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    decode(&STANDARD, text)
}

/// Accepts either alphabet, as Azure's replies and their fakes do.
pub(crate) fn from_base64url(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    decode(&URL, text).or_else(|| decode(&LENIENT, text))
}

fn decode(engine: &GeneralPurpose, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let stripped;
    let text = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        stripped =
            Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>());
        stripped.as_str()
    } else {
        text
    };
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = engine.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_alphabet_keeps_padding_and_reads_without() {
        assert_eq!(to_base64url(&[0xfb, 0xff]).as_str(), "-_8=");
        for text in ["-_8=", "-_8", "+/8="] {
            assert_eq!(from_base64url(text).unwrap().as_slice(), [0xfb, 0xff]);
        }
        assert!(from_base64url("!").is_none());
    }

    #[test]
    fn white_space_is_skipped() {
        assert_eq!(from_base64("Zm9v\nYmFy").unwrap().as_slice(), b"foobar");
        assert!(from_base64("Zm9").is_none());
    }
}
