//! Whole messages: what decodes must encode to a message that decodes to the same.
#![no_main]

use fieldveil_wire::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::from_bytes(bytes) else { return };
    let mut encoded = Vec::new();
    message.encode(&mut encoded).expect("it was short enough to be read");
    assert_eq!(Message::from_bytes(&encoded).expect("it was just written"), message);
});
