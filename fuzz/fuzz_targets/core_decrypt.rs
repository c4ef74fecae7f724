//! Any document, and any payload under a key of the vault, to decrypt.
#![no_main]

#[path = "core/world.rs"]
mod world;

use bson::RawDocument;
use libfuzzer_sys::fuzz_target;
use world::{Answers, World};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let world = World::new();
    if choice % 2 == 1 {
        let mut bytes = bytes.to_vec();
        if let Some(id) = bytes.get_mut(1..17) {
            id.copy_from_slice(&world.key_id);
        }
        let message = world::wrapped(&bytes);
        let _ = world.run(|crypt, env| crypt.decrypt_value(&message, env), &Answers::default());
        let _ = world.run(|crypt, env| crypt.decrypt(&message, env), &Answers::default());
    } else if let Ok(document) = RawDocument::from_bytes(bytes) {
        let _ = world.run(|crypt, env| crypt.decrypt(document, env), &Answers::default());
    }
});
