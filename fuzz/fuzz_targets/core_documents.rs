//! Any document where a command, a collection's schema, a key document or a map is expected.
#![no_main]

#[path = "core/world.rs"]
mod world;

use bson::{RawDocument, rawdoc};
use fieldveil_core::{Crypt, KeyDocument};
use libfuzzer_sys::fuzz_target;
use world::{Answers, World};

fuzz_target!(|input: &[u8]| {
    let Some((place, bytes)) = input.split_first() else { return };
    let Ok(document) = RawDocument::from_bytes(bytes) else { return };
    let world = World::new();
    let command = rawdoc! { "insert": "c", "documents": [{ "v": 1 }] };
    let reply = rawdoc! { "schemaRequiresEncryption": true, "result": command.clone() };
    match place % 4 {
        0 => {
            let answers = Answers { markings: Some(&reply), ..Answers::default() };
            let _ = world.run(|crypt, env| crypt.encrypt_command("db", document, env), &answers);
        }
        1 => {
            let answers = Answers {
                collection_info: Some(document),
                markings: Some(&reply),
                ..Answers::default()
            };
            let _ = world.run(|crypt, env| crypt.encrypt_command("db", &command, env), &answers);
        }
        2 => {
            let _ = KeyDocument::parse(document);
            let mut payload = vec![1; 1];
            payload.extend_from_slice(&world.key_id);
            payload.extend_from_slice(&[2; 65]);
            let message = world::wrapped(&payload);
            let answers = Answers { key: Some(document), ..Answers::default() };
            let _ = world.run(|crypt, env| crypt.decrypt(&message, env), &answers);
        }
        _ => {
            let _ = Crypt::builder().schema_map(document);
            let _ = Crypt::builder().encrypted_fields_map(document);
        }
    }
});
