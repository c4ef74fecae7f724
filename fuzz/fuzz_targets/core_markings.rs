//! Any placeholder, and any reply of the analysing process, for a command to encrypt.
#![no_main]

#[path = "core/world.rs"]
mod world;

use bson::{RawDocument, rawdoc};
use libfuzzer_sys::fuzz_target;
use world::{Answers, World};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let world = World::new();
    let command = rawdoc! { "insert": "c", "documents": [{ "v": 1 }] };
    let info = rawdoc! { "name": "c", "options": { "validator": { "$jsonSchema": {
        "bsonType": "object",
        "encryptMetadata": { "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random" },
        "properties": { "v": { "encrypt": { "bsonType": "int", "keyId": "/name" } } },
    } } } };
    let reply = rawdoc! {
        "hasEncryptionPlaceholders": true,
        "schemaRequiresEncryption": true,
        "result": { "insert": "c", "documents": [world::wrapped(bytes)] },
    };
    let markings = if choice % 2 == 1 {
        &reply
    } else if let Ok(document) = RawDocument::from_bytes(bytes) {
        document
    } else {
        return;
    };
    let answers =
        Answers { collection_info: Some(&info), markings: Some(markings), ..Answers::default() };
    let _ = world.run(|crypt, env| crypt.encrypt_command("db", &command, env), &answers);
});
