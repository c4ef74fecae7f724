//! Whole commands through the public interface, as a driver's library would send them.
#![expect(clippy::unwrap_used, reason = "a failure in a test's helper is a failed test")]

use bson::{
    Binary, RawBson, RawDocumentBuf,
    raw::{CString, RawDocument},
    rawdoc,
    spec::BinarySubtype,
};
use fieldveil_analysis::{AnalyzeError, analyze_request};

const DETERMINISTIC: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
const RANDOM: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Random";

fn key() -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x61; 16] }
}

fn marking(document: &RawDocument) -> Binary {
    let mut bytes = vec![0];
    bytes.extend(document.as_bytes());
    Binary { subtype: BinarySubtype::Encrypted, bytes }
}

/// A deterministic marking.
fn det(value: impl Into<RawBson>) -> Binary {
    marking(&rawdoc! { "a": 1, "ki": key(), "v": value.into() })
}

/// A binary that is ciphertext by its first byte.
fn ciphertext() -> Binary {
    Binary { subtype: BinarySubtype::Encrypted, bytes: vec![1; 40] }
}

/// A random marking.
fn rnd(value: impl Into<RawBson>) -> Binary {
    marking(&rawdoc! { "a": 2, "ki": key(), "v": value.into() })
}

/// The schema of the driver specification's tests, and a little more.
fn schema() -> RawDocumentBuf {
    let field = |algorithm: &str, kind: &str| {
        rawdoc! { "encrypt": { "keyId": [key()], "bsonType": kind, "algorithm": algorithm } }
    };
    rawdoc! {
        "bsonType": "object",
        "properties": {
            "encrypted_string": field(DETERMINISTIC, "string"),
            "encrypted_string_equivalent": field(DETERMINISTIC, "string"),
            "number": field(DETERMINISTIC, "int"),
            "random": field(RANDOM, "string"),
            "stamp": field(DETERMINISTIC, "timestamp"),
            "encrypted_w_altname": {
                "encrypt": { "keyId": "/altname", "bsonType": "string", "algorithm": RANDOM },
            },
            "pay": {
                "bsonType": "object",
                "properties": {
                    "amount": field(DETERMINISTIC, "int"),
                    "by_name": {
                        "encrypt": { "keyId": "/altname", "algorithm": RANDOM },
                    },
                },
            },
        },
    }
}

fn request(command: &RawDocument, schema: RawDocumentBuf) -> RawDocumentBuf {
    let mut request = command.to_owned();
    request.append(bson::raw::cstr!("jsonSchema"), schema);
    request.append(bson::raw::cstr!("isRemoteSchema"), true);
    request.append(bson::raw::cstr!("$db"), "db");
    request
}

fn analyze(command: &RawDocument) -> Result<RawDocumentBuf, AnalyzeError> {
    analyze_request(&request(command, schema()))
}

fn result(command: &RawDocument) -> RawDocumentBuf {
    analyze(command).unwrap().get_document("result").unwrap().to_owned()
}

/// Asserts that the command becomes this one, with markings.
#[track_caller]
fn becomes(command: RawDocumentBuf, expected: RawDocumentBuf) {
    let reply = analyze(&command).unwrap();
    let expected = rawdoc! {
        "hasEncryptionPlaceholders": true,
        "schemaRequiresEncryption": true,
        "result": expected,
    };
    assert_eq!(reply, expected);
}

/// Asserts that the command stays as it is.
#[track_caller]
fn stays(command: RawDocumentBuf) {
    let reply = analyze(&command).unwrap();
    let expected = rawdoc! {
        "hasEncryptionPlaceholders": false,
        "schemaRequiresEncryption": true,
        "result": command,
    };
    assert_eq!(reply, expected);
}

#[track_caller]
fn refused(command: RawDocumentBuf, text: &str) {
    let error = analyze(&command).unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
}

fn update(statement: RawDocumentBuf) -> RawDocumentBuf {
    rawdoc! { "update": "c", "updates": [statement], "ordered": true }
}

fn set(name: &str, value: impl Into<RawBson>) -> RawDocumentBuf {
    let mut fields = RawDocumentBuf::new();
    fields.append(CString::try_from(name).unwrap(), value.into());
    rawdoc! { "$set": fields }
}

#[test]
fn the_published_vectors_of_markings_come_out() {
    let result =
        result(&rawdoc! { "insert": "c", "documents": [{ "encrypted_string": "457-55-5462" }] });
    let document = result.get_array("documents").unwrap().get_document(0).unwrap();
    let expected = "ADgAAAAQYQABAAAABWtpABAAAAAEYWFhYWFhYWFhYWFhYWFhYQJ2AAwAAAA0NTctNTUtNTQ2MgAA";
    let binary = Binary::from_base64(expected, BinarySubtype::Encrypted).unwrap();
    assert_eq!(document, rawdoc! { "encrypted_string": binary }.as_ref());
    let command = rawdoc! { "insert": "c", "documents": [
        { "encrypted_w_altname": "457-55-5462", "altname": "Sharlene" },
    ] };
    let result = self::result(&command);
    let document = result.get_array("documents").unwrap().get_document(0).unwrap();
    let expected = "ADAAAAAQYQACAAAAAmthAAkAAABTaGFybGVuZQACdgAMAAAANDU3LTU1LTU0NjIAAA==";
    let binary = Binary::from_base64(expected, BinarySubtype::Encrypted).unwrap();
    assert_eq!(document.get_binary("encrypted_w_altname").unwrap().to_binary(), binary);
}

#[test]
fn inserted_documents_are_marked() {
    becomes(
        rawdoc! { "insert": "c", "documents": [
            { "_id": 1, "encrypted_string": "string0", "random": "abc" },
            { "_id": 2, "pay": { "note": "n", "amount": 5 }, "x": [1, { "y": 2 }] },
            { "_id": 3, "pay": 4 },
        ], "ordered": true },
        rawdoc! { "insert": "c", "documents": [
            { "_id": 1, "encrypted_string": det("string0"), "random": rnd("abc") },
            { "_id": 2, "pay": { "note": "n", "amount": det(5) }, "x": [1, { "y": 2 }] },
            { "_id": 3, "pay": 4 },
        ], "ordered": true },
    );
    stays(rawdoc! { "insert": "c", "documents": [{ "_id": 1, "x": "y" }] });
}

#[test]
fn documents_that_cannot_be_encrypted_are_refused() {
    let zero = bson::Timestamp { time: 0, increment: 0 };
    let cases = [
        (rawdoc! { "encrypted_string": 5 }, "Cannot encrypt element of type: int"),
        (rawdoc! { "encrypted_string": RawBson::Null }, "Cannot encrypt element of type: null"),
        (rawdoc! { "encrypted_string": ["a"] }, "Cannot encrypt element of type: array"),
        (rawdoc! { "random": ["a"] }, "Cannot encrypt element of type: array"),
        (rawdoc! { "encrypted_string": ciphertext() }, "encrypt element of type"),
        (rawdoc! { "pay": [{ "amount": 1 }] }, "type array at path 'pay'"),
        (rawdoc! { "pay.amount": 1 }, "contains a dot"),
        (rawdoc! { "pay": { "amount": 1, "amount": 2 } }, "given twice"),
        (
            rawdoc! { "random": zero },
            "A command that inserts cannot supply Timestamp(0, 0) for an encrypted",
        ),
        (rawdoc! { "encrypted_w_altname": "x" }, "points to 'altname', which must hold"),
        (rawdoc! { "encrypted_w_altname": "x", "altname": 5 }, "points to 'altname'"),
    ];
    for (document, text) in cases {
        refused(rawdoc! { "insert": "c", "documents": [document] }, text);
    }
    becomes(
        rawdoc! { "insert": "c", "documents": [{ "pay": { "by_name": { "x": 1 } }, "altname": "n" }] },
        rawdoc! { "insert": "c", "documents": [{
            "pay": { "by_name": marking(&rawdoc! { "a": 2, "ka": "n", "v": { "x": 1 } }) },
            "altname": "n",
        }] },
    );
}

#[test]
fn filters_of_all_commands_are_marked() {
    becomes(
        rawdoc! { "find": "c", "filter": { "encrypted_string": "a" }, "limit": 1, "sort": { "_id": 1 } },
        rawdoc! { "find": "c", "filter": { "encrypted_string": { "$eq": det("a") } }, "limit": 1, "sort": { "_id": 1 } },
    );
    becomes(
        rawdoc! { "count": "c", "query": { "encrypted_string": "a" } },
        rawdoc! { "count": "c", "query": { "encrypted_string": { "$eq": det("a") } } },
    );
    becomes(
        rawdoc! { "distinct": "c", "key": "encrypted_string", "query": { "encrypted_string": "a" } },
        rawdoc! { "distinct": "c", "key": "encrypted_string", "query": { "encrypted_string": { "$eq": det("a") } } },
    );
    becomes(
        rawdoc! { "delete": "c", "deletes": [
            { "q": { "$and": [{ "encrypted_string": "string1" }, { "_id": 2 }] }, "limit": 1 },
        ], "ordered": true },
        rawdoc! { "delete": "c", "deletes": [
            { "q": { "$and": [{ "encrypted_string": { "$eq": det("string1") } }, { "_id": { "$eq": 2 } }] }, "limit": 1 },
        ], "ordered": true },
    );
    becomes(
        rawdoc! { "findAndModify": "c", "query": { "encrypted_string": "a" }, "remove": true },
        rawdoc! { "findAndModify": "c", "query": { "encrypted_string": { "$eq": det("a") } }, "remove": true },
    );
    becomes(
        rawdoc! { "explain": { "find": "c", "filter": { "encrypted_string": "a" } }, "verbosity": "allPlansExecution" },
        rawdoc! { "explain": { "find": "c", "filter": { "encrypted_string": { "$eq": det("a") } } }, "verbosity": "allPlansExecution" },
    );
    stays(rawdoc! { "find": "c", "filter": { "_id": 1 }, "projection": { "random": 1 } });
}

#[test]
fn updates_are_marked() {
    becomes(
        update(rawdoc! {
            "q": { "encrypted_string": { "$in": ["string0", "string1"] } },
            "u": { "$set": { "encrypted_string": "string1", "random": "abc", "pay.amount": 1 } },
            "multi": true,
            "upsert": false,
        }),
        update(rawdoc! {
            "q": { "encrypted_string": { "$in": [det("string0"), det("string1")] } },
            "u": { "$set": { "encrypted_string": det("string1"), "random": rnd("abc"), "pay.amount": det(1) } },
            "multi": true,
            "upsert": false,
        }),
    );
    becomes(
        update(rawdoc! { "q": {}, "u": { "encrypted_string": "a", "random": "b", "x": 1 } }),
        update(
            rawdoc! { "q": {}, "u": { "encrypted_string": det("a"), "random": rnd("b"), "x": 1 } },
        ),
    );
    becomes(
        update(rawdoc! { "q": {}, "u": { "$set": { "pay": { "amount": 1, "x": 2 } } } }),
        update(rawdoc! { "q": {}, "u": { "$set": { "pay": { "amount": det(1), "x": 2 } } } }),
    );
    becomes(
        rawdoc! { "findAndModify": "c", "query": { "encrypted_string": "a" }, "update": set("random", "b") },
        rawdoc! { "findAndModify": "c", "query": { "encrypted_string": { "$eq": det("a") } }, "update": set("random", rnd("b")) },
    );
    stays(update(rawdoc! { "q": {}, "u": { "$unset": { "encrypted_string": "", "pay": "" } } }));
    let unset = rawdoc! { "q": {}, "u": { "$unset": { "encrypted_string": "secret", "x": "y" } } };
    assert_eq!(
        result(&update(unset)),
        update(rawdoc! { "q": {}, "u": { "$unset": { "encrypted_string": "", "x": "y" } } })
    );
    stays(update(
        rawdoc! { "q": {}, "u": { "$rename": { "encrypted_string": "encrypted_string_equivalent", "a": "b" } } },
    ));
    stays(update(rawdoc! { "q": {}, "u": {
        "$inc": { "x": 1 }, "$push": { "other": { "$each": [1] } }, "$set": { "list.$[i].pay": 1, "l.$": 1 },
    }, "arrayFilters": [{ "i.pay": 2 }] }));
}

#[test]
fn updates_that_cannot_work_on_ciphertext_are_refused() {
    let cases = [
        (rawdoc! { "$inc": { "number": 1 } }, "$inc and $mul not allowed on encrypted values"),
        (rawdoc! { "$mul": { "pay.amount": 1 } }, "$inc and $mul not allowed on encrypted values"),
        (rawdoc! { "$min": { "number": 1 } }, "$max and $min not allowed on encrypted values"),
        (rawdoc! { "$max": { "number": 1 } }, "$max and $min not allowed on encrypted values"),
        (rawdoc! { "$currentDate": { "random": true } }, "$currentDate not allowed on encrypted"),
        (rawdoc! { "$addToSet": { "random": "a" } }, "$addToSet not allowed on encrypted values"),
        (rawdoc! { "$push": { "random": "a" } }, "$push not allowed on encrypted values"),
        (rawdoc! { "$pop": { "random": 1 } }, "$pop not allowed on encrypted values"),
        (rawdoc! { "$pull": { "random": "a" } }, "$pull not allowed on encrypted values"),
        (rawdoc! { "$pullAll": { "random": ["a"] } }, "$pullAll not allowed on encrypted values"),
        (rawdoc! { "$bit": { "number": { "and": 1 } } }, "$bit not allowed on encrypted values"),
        (rawdoc! { "$setOnInsert": { "random": "a" } }, "$setOnInsert not allowed on encrypted"),
        (rawdoc! { "$inc": { "pay": 1 } }, "$inc and $mul not allowed on encrypted values"),
        (rawdoc! { "$set": { "random.x": 1 } }, "which contains an encrypted path prefix"),
        (rawdoc! { "$unset": { "random.x": 1 } }, "which contains an encrypted path prefix"),
        (rawdoc! { "$set": { "pay": [1] } }, "type array at path 'pay'"),
        (rawdoc! { "$set": { "encrypted_string": [1, 2] } }, "Cannot encrypt element of type"),
        (rawdoc! { "$set": { "encrypted_string.$": 1 } }, "Cannot encrypt fields below '$'"),
        (
            rawdoc! { "$set": { "encrypted_string.$[i].x": 1 } },
            "Array update operations not allowed on encrypted values",
        ),
        (rawdoc! { "$set": { "pay.$[].amount": 1 } }, "Array update operations not allowed on"),
        (rawdoc! { "$set": { "pay.0.amount": 1 } }, "array index"),
        (
            rawdoc! { "$rename": { "encrypted_string": "random" } },
            "$rename between two encrypted fields must have the same metadata",
        ),
        (
            rawdoc! { "$rename": { "x": "random" } },
            "$rename between two encrypted fields must have the same metadata",
        ),
        (rawdoc! { "$rename": { "pay": "x" } }, "$rename between two encrypted fields"),
        (
            rawdoc! { "$set": { "encrypted_w_altname": "string0" } },
            "A non-static (JSONPointer) keyId is not supported",
        ),
        (rawdoc! { "$frob": { "x": 1 } }, "Unknown modifier: $frob"),
        (rawdoc! { "x": 1, "$set": { "random": "a" } }, "reads like an operator"),
    ];
    for (change, text) in cases {
        refused(update(rawdoc! { "q": {}, "u": change }), text);
    }
    refused(update(rawdoc! { "q": {}, "u": [{ "$set": { "x": 1 } }] }), "the update is a pipeline");
    refused(
        update(
            rawdoc! { "q": {}, "u": { "encrypted_w_altname": "a", "altname": "b" }, "upsert": true },
        ),
        "A non-static (JSONPointer) keyId is not supported",
    );
}

#[test]
fn options_with_plaintext_or_order_are_refused() {
    let french = rawdoc! { "locale": "fr" };
    let simple = rawdoc! { "locale": "simple" };
    let query = rawdoc! { "encrypted_string": "a" };
    refused(rawdoc! { "find": "c", "sort": { "encrypted_string": 1 } }, "Cannot sort by field");
    refused(rawdoc! { "find": "c", "sort": { "pay": 1 } }, "Cannot sort by field 'pay.amount'");
    refused(rawdoc! { "find": "c", "min": { "number": 1 } }, "'min' cannot name field 'number'");
    refused(
        rawdoc! { "find": "c", "filter": query.clone(), "collation": french.clone() },
        "collation",
    );
    refused(
        update(rawdoc! { "q": query.clone(), "u": set("x", 1), "collation": french.clone() }),
        "collation",
    );
    refused(
        rawdoc! { "delete": "c", "deletes": [{ "q": query.clone(), "limit": 1, "collation": french.clone() }] },
        "collation",
    );
    analyze(&rawdoc! { "find": "c", "filter": query.clone(), "collation": simple }).unwrap();
    analyze(&rawdoc! { "find": "c", "filter": { "number": 1 }, "collation": french.clone() })
        .unwrap();
    refused(rawdoc! { "distinct": "c", "key": "random" }, "randomized encryption algorithm");
    refused(
        rawdoc! { "distinct": "c", "key": "encrypted_w_altname" },
        "The distinct key is not allowed to be marked for encryption with a non-UUID keyId",
    );
    refused(rawdoc! { "distinct": "c", "key": "pay" }, "'key' cannot name field");
    refused(
        rawdoc! { "distinct": "c", "key": "encrypted_string", "collation": french },
        "collation",
    );
    refused(rawdoc! { "find": "c", "projection": { "random": { "$slice": 1 } } }, "$slice");
    refused(
        rawdoc! { "find": "c", "projection": { "y": { "$concat": ["$random", "x"] } } },
        "Invalid reference",
    );
    becomes(
        rawdoc! { "find": "c", "projection": { "y": { "$eq": ["$number", 5] }, "pay": { "note": 1 } } },
        rawdoc! { "find": "c", "projection": { "y": { "$eq": ["$number", det(5)] }, "pay": { "note": 1 } } },
    );
}

#[test]
fn an_encrypted_id_must_be_given() {
    let schema = rawdoc! { "bsonType": "object", "properties": { "_id": {
        "encrypt": { "keyId": [key()], "bsonType": "string", "algorithm": DETERMINISTIC },
    } } };
    let analyze = |command: RawDocumentBuf| analyze_request(&request(&command, schema.clone()));
    let missing = Err(AnalyzeError::EncryptedIdMissing);
    assert_eq!(analyze(rawdoc! { "insert": "c", "documents": [{ "x": 1 }] }), missing);
    analyze(rawdoc! { "insert": "c", "documents": [{ "_id": "a" }] }).unwrap();
    let upsert = |q: RawDocumentBuf, u: RawDocumentBuf| {
        analyze(update(rawdoc! { "q": q, "u": u, "upsert": true }))
    };
    assert_eq!(upsert(rawdoc! { "x": 1 }, set("x", 1)), missing);
    upsert(rawdoc! { "_id": "a" }, set("x", 1)).unwrap();
    upsert(rawdoc! { "x": 1 }, set("_id", "a")).unwrap();
    upsert(rawdoc! { "x": 1 }, rawdoc! { "_id": "a" }).unwrap();
}

#[test]
fn count_documents_works() {
    becomes(
        rawdoc! { "aggregate": "c", "pipeline": [
            { "$match": { "encrypted_string": "a" } },
            { "$group": { "_id": 1, "n": { "$sum": 1 } } },
        ], "cursor": {} },
        rawdoc! { "aggregate": "c", "pipeline": [
            { "$match": { "encrypted_string": { "$eq": det("a") } } },
            { "$group": { "_id": { "$const": 1 }, "n": { "$sum": { "$const": 1 } } } },
        ], "cursor": {} },
    );
}

#[test]
fn unknown_fields_and_commands_are_refused() {
    refused(rawdoc! { "find": "c", "filtr": {} }, "BSON field 'find.filtr' is an unknown field.");
    refused(rawdoc! { "find": "c", "filter": 1 }, "'find.filter' is the wrong type 'int'");
    refused(rawdoc! { "find": "c", "limit": 1, "limit": 2 }, "duplicate field");
    refused(rawdoc! { "mapReduce": "c" }, "no such command: 'mapReduce'");
    refused(rawdoc! { "aggregate": 1, "pipeline": [] }, "without a collection");
    refused(rawdoc! { "explain": { "explain": {} } }, "explain of the command 'explain'");
    let error = analyze(&rawdoc! { "mapReduce": "c" }).unwrap_err();
    assert_eq!((error.code(), error.code_name().as_str()), (59, "CommandNotFound"));
    stays(rawdoc! { "find": "c", "filter": {}, "lsid": { "id": key() }, "txnNumber": 1_i64,
    "readConcern": {}, "$readPreference": { "mode": "primary" }, "apiVersion": "1" });
}

#[test]
fn without_encryption_a_command_leaves_byte_for_byte() {
    let command = rawdoc! { "find": "c", "filter": { "$where": "1", "a": { "$foo": 1 } }, "strange": 1, "b": 1, "b": 2 };
    for schema in [rawdoc! {}, rawdoc! { "bsonType": "object", "required": ["a"] }] {
        let reply = analyze_request(&request(&command, schema)).unwrap();
        let expected = rawdoc! {
            "hasEncryptionPlaceholders": false,
            "schemaRequiresEncryption": false,
            "result": command.clone(),
        };
        assert_eq!(reply, expected);
    }
}

#[test]
fn a_marking_of_the_caller_is_refused() {
    let command = rawdoc! { "insert": "c", "documents": [{ "x": rnd("a") }] };
    refused(command, "looks like an intent-to-encrypt marking");
}
