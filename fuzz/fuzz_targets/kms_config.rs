//! Documents of providers and of master keys; what reads and prints, reads back the same.
#![no_main]

use bson::RawDocument;
use fieldveil_kms::{Endpoint, KmsId, KmsProviders, MasterKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = KmsId::parse(text);
        if let Ok(endpoint) = Endpoint::parse(text) {
            assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
        }
    }
    let Ok(document) = RawDocument::from_bytes(bytes) else { return };
    let _ = KmsProviders::parse(document);
    if let Ok(key) = MasterKey::parse(document) {
        assert_eq!(MasterKey::parse(&key.to_document()), Ok(key));
    }
});
