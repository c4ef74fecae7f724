//! The search for secrets in what was logged or told.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

/// The first bytes of a secret in each way in which they may be written.
fn writings(secret: &[u8]) -> Vec<String> {
    let start = &secret[..secret.len().min(12)];
    let mut all = vec![
        hex(start),
        hex(start).to_uppercase(),
        start.iter().map(u8::to_string).collect::<Vec<_>>().join(", "),
        start.iter().map(u8::to_string).collect::<Vec<_>>().join(",\n    "),
        start.escape_ascii().to_string(),
    ];
    all.extend(std::str::from_utf8(start).map(str::to_owned));
    // Base64 in each of the three places where the secret may begin within what is encoded.
    for skip in 0..3 {
        let group = &secret[skip..secret.len().min(skip + 12)];
        let whole = &group[..group.len() / 3 * 3];
        all.extend([STANDARD.encode(whole), URL_SAFE.encode(whole)]);
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails if the text shows the secret, or where it begins.
pub(crate) fn assert_absent(text: &str, secret: &[u8]) {
    for writing in writings(secret) {
        if let Some(at) = text.find(&writing) {
            let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            panic!("a secret is told as {writing}: {:.300}", &text[line..]);
        }
    }
}

#[test]
fn the_search_finds_what_is_there() {
    let secret: Vec<u8> = (0..96).map(|byte: u8| byte.wrapping_mul(31) ^ 0x42).collect();
    let mut padded = b"12".to_vec();
    padded.extend(&secret);
    for text in [
        format!("{secret:?}"),
        format!("{secret:#?}"),
        hex(&padded),
        STANDARD.encode(&padded),
        STANDARD.encode(&secret),
        URL_SAFE.encode(&padded[1..]),
        secret.escape_ascii().to_string(),
    ] {
        let found = writings(&secret).iter().any(|writing| text.contains(writing));
        assert!(found, "{text}");
    }
}
