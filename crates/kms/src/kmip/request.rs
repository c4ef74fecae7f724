//! The six operations.

use super::ttlv::{Tag, Writer};
use crate::SecretBytes;

/// Protocol version (minor; major is 1) of `Register`, `Activate` and `Get`.
const V1_0: i32 = 0;
/// Protocol version of `Create`, `Encrypt` and `Decrypt`.
const V1_2: i32 = 2;

const OBJECT_SYMMETRIC_KEY: u32 = 2;
const OBJECT_SECRET_DATA: u32 = 7;
const SECRET_DATA_SEED: u32 = 2;
const KEY_FORMAT_OPAQUE: u32 = 2;
const ALGORITHM_AES: u32 = 3;
const MODE_CBC: u32 = 1;
const PADDING_PKCS5: u32 = 3;
/// Usage mask of a key that encrypts (4) and decrypts (8).
const USAGE_ENCRYPT_DECRYPT: i32 = 4 | 8;

/// Has the server keep a secret, which it does not use itself.
pub(super) fn register(secret: &[u8]) -> SecretBytes {
    message(V1_0, 0x03, |payload| {
        payload.enumeration(Tag::ObjectType, OBJECT_SECRET_DATA);
        payload.structure(Tag::TemplateAttribute, |template| {
            attribute(template, "Cryptographic Usage Mask", |value| {
                value.integer(Tag::AttributeValue, 0);
            });
        });
        payload.structure(Tag::SecretData, |data| {
            data.enumeration(Tag::SecretDataType, SECRET_DATA_SEED);
            data.structure(Tag::KeyBlock, |block| {
                block.enumeration(Tag::KeyFormatType, KEY_FORMAT_OPAQUE);
                block.structure(Tag::KeyValue, |value| value.bytes(Tag::KeyMaterial, secret));
            });
        });
    })
}

/// Puts a registered or created object in use.
pub(super) fn activate(id: &str) -> SecretBytes {
    message(V1_0, 0x12, |payload| payload.text(Tag::UniqueIdentifier, id))
}

/// Asks for a secret that the server keeps.
pub(super) fn get(id: &str) -> SecretBytes {
    message(V1_0, 0x0A, |payload| payload.text(Tag::UniqueIdentifier, id))
}

/// Has the server make a key of its own: AES, 256 bits.
pub(super) fn create() -> SecretBytes {
    message(V1_2, 0x01, |payload| {
        payload.enumeration(Tag::ObjectType, OBJECT_SYMMETRIC_KEY);
        payload.structure(Tag::TemplateAttribute, |template| {
            attribute(template, "Cryptographic Algorithm", |value| {
                value.enumeration(Tag::AttributeValue, ALGORITHM_AES);
            });
            attribute(template, "Cryptographic Length", |value| {
                value.integer(Tag::AttributeValue, 256);
            });
            attribute(template, "Cryptographic Usage Mask", |value| {
                value.integer(Tag::AttributeValue, USAGE_ENCRYPT_DECRYPT);
            });
        });
    })
}

/// Has the server encrypt under its own key, with an IV that it chooses.
pub(super) fn encrypt(id: &str, plaintext: &[u8]) -> SecretBytes {
    message(V1_2, 0x1F, |payload| {
        payload.text(Tag::UniqueIdentifier, id);
        payload.structure(Tag::CryptographicParameters, |parameters| {
            cipher(parameters);
            parameters.boolean(Tag::RandomIV, true);
        });
        payload.bytes(Tag::Data, plaintext);
    })
}

/// Has the server decrypt what it encrypted.
pub(super) fn decrypt(id: &str, iv: &[u8], ciphertext: &[u8]) -> SecretBytes {
    message(V1_2, 0x20, |payload| {
        payload.text(Tag::UniqueIdentifier, id);
        payload.structure(Tag::CryptographicParameters, cipher);
        payload.bytes(Tag::Data, ciphertext);
        payload.bytes(Tag::IVCounterNonce, iv);
    })
}

fn cipher(parameters: &mut Writer) {
    parameters.enumeration(Tag::BlockCipherMode, MODE_CBC);
    parameters.enumeration(Tag::PaddingMethod, PADDING_PKCS5);
    parameters.enumeration(Tag::CryptographicAlgorithm, ALGORITHM_AES);
}

fn attribute(template: &mut Writer, name: &str, value: impl FnOnce(&mut Writer)) {
    template.structure(Tag::Attribute, |attribute| {
        attribute.text(Tag::AttributeName, name);
        value(attribute);
    });
}

/// A message with one operation.
fn message(minor: i32, operation: u32, payload: impl FnOnce(&mut Writer)) -> SecretBytes {
    Writer::message(Tag::RequestMessage, |message| {
        message.structure(Tag::RequestHeader, |header| {
            header.structure(Tag::ProtocolVersion, |version| {
                version.integer(Tag::ProtocolVersionMajor, 1);
                version.integer(Tag::ProtocolVersionMinor, minor);
            });
            header.integer(Tag::BatchCount, 1);
        });
        message.structure(Tag::BatchItem, |item| {
            item.enumeration(Tag::Operation, operation);
            item.structure(Tag::RequestPayload, payload);
        });
    })
}
