//! What is analysed when analysis is measured, here and through the daemon.

use bson::{
    Binary, RawDocumentBuf,
    raw::{CString, cstr},
    rawdoc,
    spec::BinarySubtype,
};

/// How many encrypted fields the schema has.
const FIELDS: usize = 100;

fn name(index: usize) -> CString {
    CString::try_from(format!("field_{index}")).unwrap()
}

/// A schema with a hundred encrypted fields.
pub(crate) fn schema() -> RawDocumentBuf {
    let key = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
    let mut properties = RawDocumentBuf::new();
    for index in 0..FIELDS {
        let encrypt = rawdoc! {
            "bsonType": "string",
            "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
            "keyId": [key.clone()],
        };
        properties.append(name(index), rawdoc! { "encrypt": encrypt });
    }
    rawdoc! { "bsonType": "object", "properties": properties }
}

/// An insert of one document with so many encrypted fields, and a plain one.
pub(crate) fn insert(fields: usize) -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": 1, "plain": "nothing to hide" };
    for index in 0..fields {
        document.append(name(index), "a value of usual length");
    }
    rawdoc! { "insert": "c", "documents": [document], "ordered": true }
}

/// Five predicates.
pub(crate) fn find() -> RawDocumentBuf {
    rawdoc! { "find": "c", "filter": {
        "field_1": "a",
        "field_2": { "$in": ["b", "c"] },
        "field_3": { "$ne": "d" },
        "plain": { "$gt": 5 },
        "other": "e",
    }, "limit": 10 }
}

/// The command as a driver sends it to a daemon, with its schema.
pub(crate) fn request(command: &RawDocumentBuf) -> RawDocumentBuf {
    let mut request = command.clone();
    request.append(cstr!("jsonSchema"), schema());
    request.append(cstr!("isRemoteSchema"), true);
    request.append(cstr!("$db"), "db");
    request
}
