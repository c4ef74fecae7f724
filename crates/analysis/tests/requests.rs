//! The protocol around commands: schema fields, namespaces, and what is stored rather than run.
#![expect(clippy::unwrap_used, reason = "a failure in a test's helper is a failed test")]

use bson::{Binary, RawDocumentBuf, raw::cstr, rawdoc, spec::BinarySubtype};
use fieldveil_analysis::{analyze_request, error_reply};

fn key() -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x61; 16] }
}

fn schema() -> RawDocumentBuf {
    rawdoc! { "bsonType": "object", "properties": { "ssn": { "encrypt": {
        "keyId": [key()],
        "bsonType": "string",
        "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
    } } } }
}

fn marking(value: &str) -> Binary {
    let mut bytes = vec![0];
    bytes.extend(rawdoc! { "a": 1, "ki": key(), "v": value }.as_bytes());
    Binary { subtype: BinarySubtype::Encrypted, bytes }
}

#[track_caller]
fn refused(request: &RawDocumentBuf, code: i32, text: &str) {
    let error = analyze_request(request).unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(error.code(), code, "{error}");
}

fn with_schema(command: RawDocumentBuf) -> RawDocumentBuf {
    let mut request = command;
    request.append(cstr!("jsonSchema"), schema());
    request.append(cstr!("isRemoteSchema"), true);
    request.append(cstr!("$db"), "db");
    request
}

#[test]
fn the_schema_fields_must_be_one_kind_and_whole() {
    let empty = rawdoc! {};
    let find = |extra: RawDocumentBuf| {
        let mut request = rawdoc! { "find": "c", "filter": {}, "$db": "db" };
        for element in &extra {
            let (name, value) = element.unwrap();
            request.append(name, value);
        }
        request
    };
    refused(&find(rawdoc! {}), 9_900_003, "has none of the fields");
    refused(&find(rawdoc! { "jsonSchema": {} }), 40414, "'isRemoteSchema' is missing");
    refused(
        &find(rawdoc! { "jsonSchema": 1, "isRemoteSchema": true }),
        14,
        "'find.jsonSchema' is the wrong type 'int', expected type 'object'",
    );
    refused(
        &find(rawdoc! { "jsonSchema": {}, "isRemoteSchema": true, "csfleEncryptionSchemas": {} }),
        2,
        "Cannot specify both jsonSchema and csfleEncryptionSchemas",
    );
    let information = rawdoc! { "type": 1, "schema": { "db.c": { "fields": [] } } };
    refused(
        &find(
            rawdoc! { "jsonSchema": {}, "isRemoteSchema": true, "encryptionInformation": information.clone() },
        ),
        2,
        "Cannot specify both jsonSchema and encryptionInformation",
    );
    let secret = rawdoc! { "db.d": { "jsonSchema": schema(), "isRemoteSchema": true } };
    refused(
        &find(rawdoc! { "csfleEncryptionSchemas": secret, "encryptionInformation": information }),
        2,
        "Cannot specify both encryptionInformation and csfleEncryptionSchemas unless \
         csfleEncryptionSchemas only contains non-encryption JSON schema validators",
    );
    refused(
        &find(rawdoc! { "encryptionInformation": { "type": 2, "schema": empty } }),
        2,
        "encryptionInformation.type",
    );
    refused(
        &find(rawdoc! { "jsonSchema": { "required": ["a"] }, "isRemoteSchema": false }),
        9_910_002,
        "JSON schema keyword 'required' is only allowed with a remote schema",
    );
}

#[test]
fn encrypted_fields_are_reserved_and_none_pass() {
    let information = |namespace: &str, fields: bson::RawArrayBuf| {
        let mut schema = RawDocumentBuf::new();
        let name = bson::raw::CString::try_from(namespace).unwrap();
        schema.append(name, rawdoc! { "escCollection": "e", "fields": fields });
        rawdoc! { "type": 1, "schema": schema }
    };
    let none = bson::RawArrayBuf::new;
    let mut some = none();
    some.push(rawdoc! { "path": "ssn", "bsonType": "string", "keyId": key() });
    let find = rawdoc! { "find": "c", "filter": { "_id": 1 } };
    let request = |information: RawDocumentBuf| {
        let mut request = find.clone();
        request.append(cstr!("encryptionInformation"), information);
        request.append(cstr!("$db"), "db");
        request
    };
    let reply = analyze_request(&request(information("db.c", none()))).unwrap();
    let mut expected = find.clone();
    expected.append(cstr!("encryptionInformation"), information("db.c", none()));
    assert_eq!(
        reply,
        rawdoc! {
            "hasEncryptionPlaceholders": false,
            "schemaRequiresEncryption": false,
            "result": expected,
        }
    );
    refused(
        &request(information("db.c", some)),
        9_900_005,
        "Queryable Encryption is not supported",
    );
    refused(
        &request(information("other.c", none())),
        6_411_900,
        "Namespace in encryptionInformation: 'other.c' does not match namespace given in command: \
         'db.c'",
    );
}

#[test]
fn several_schemas_are_chosen_by_namespace() {
    let lookup = |value: bson::RawBson| {
        rawdoc! { "aggregate": "c", "pipeline": [
            { "$lookup": { "from": "d", "pipeline": [{ "$match": { "ssn": value } }], "as": "m" } },
        ], "cursor": {} }
    };
    let mut request = lookup("a".into());
    request.append(
        cstr!("csfleEncryptionSchemas"),
        rawdoc! {
            "db.c": { "jsonSchema": {}, "isRemoteSchema": false },
            "db.d": { "jsonSchema": schema(), "isRemoteSchema": true },
        },
    );
    request.append(cstr!("$db"), "db");
    let reply = analyze_request(&request).unwrap();
    assert_eq!(
        reply,
        rawdoc! {
            "hasEncryptionPlaceholders": true,
            "schemaRequiresEncryption": true,
            "result": lookup(rawdoc! { "$eq": marking("a") }.into()),
        }
    );
    let mut request = lookup("a".into());
    request.append(
        cstr!("csfleEncryptionSchemas"),
        rawdoc! {
            "db.c": { "jsonSchema": {}, "isRemoteSchema": false },
        },
    );
    request.append(cstr!("$db"), "db");
    refused(&request, 9_900_004, "Missing encryption schema for namespace: db.d");
}

#[test]
fn an_explained_command_is_found_wherever_its_fields_stand() {
    let request = rawdoc! {
        "explain": { "find": "c", "filter": { "ssn": "a" }, "$db": "db" },
        "verbosity": "queryPlanner",
        "jsonSchema": schema(),
        "isRemoteSchema": false,
        "$db": "db",
    };
    let reply = analyze_request(&request).unwrap();
    assert_eq!(
        reply.get_document("result").unwrap(),
        rawdoc! {
            "explain": { "find": "c", "filter": { "ssn": { "$eq": marking("a") } } },
            "verbosity": "queryPlanner",
        }
        .as_ref()
    );
    let silent = rawdoc! { "explain": { "find": "c", "filter": {} } };
    let reply = analyze_request(&with_schema(silent)).unwrap();
    assert_eq!(
        reply.get_document("result").unwrap(),
        rawdoc! { "explain": { "find": "c", "filter": {} }, "verbosity": "allPlansExecution" }
            .as_ref()
    );
    let other = rawdoc! {
        "explain": { "find": "c", "$db": "other" }, "jsonSchema": {}, "isRemoteSchema": false, "$db": "db",
    };
    refused(&other, 2, "explain.$db");
}

#[test]
fn validators_and_partial_filters_hold_no_comparison_with_encrypted_fields() {
    let stays = |command: RawDocumentBuf| {
        let reply = analyze_request(&with_schema(command.clone())).unwrap();
        assert_eq!(reply.get_document("result").unwrap(), command.as_ref());
        assert!(!reply.get_bool("hasEncryptionPlaceholders").unwrap());
    };
    for name in ["create", "collMod"] {
        let command = |validator: RawDocumentBuf| {
            let mut command = RawDocumentBuf::new();
            command.append(bson::raw::CString::try_from(name).unwrap(), "c");
            command.append(cstr!("validator"), validator);
            command
        };
        stays(command(rawdoc! { "x": { "$gt": 1 } }));
        stays(command(rawdoc! { "$jsonSchema": schema() }));
        refused(
            &with_schema(command(rawdoc! { "ssn": "a" })),
            9_900_080,
            "Comparison to encrypted fields not supported in collection validator",
        );
        refused(
            &with_schema(command(rawdoc! { "$jsonSchema": schema(), "x": 1 })),
            9_900_031,
            "Invalid match expression operator on encrypted field",
        );
        refused(
            &with_schema(command(rawdoc! { "$jsonSchema": { "bsonType": "object" } })),
            9_900_081,
            "do not encrypt the same fields",
        );
    }
    let index = |filter: RawDocumentBuf| {
        rawdoc! { "createIndexes": "c", "indexes": [
            { "name": "n", "key": { "ssn": 1 }, "partialFilterExpression": filter },
        ] }
    };
    stays(index(rawdoc! { "x": 1 }));
    refused(
        &with_schema(index(rawdoc! { "ssn": "a" })),
        9_900_080,
        "Comparison to encrypted fields not supported",
    );
    refused(
        &with_schema(rawdoc! { "create": "c", "viewOn": "d", "pipeline": [] }),
        9_900_082,
        "'viewOn' is not supported",
    );
}

#[test]
fn bulk_writes_pass_only_without_encryption() {
    let command = rawdoc! {
        "bulkWrite": 1,
        "ops": [{ "insert": 0, "document": { "ssn": "a" } }],
        "nsInfo": [{ "ns": "db.c", "encryptionInformation": { "type": 1, "schema": { "db.c": { "fields": [] } } } }],
    };
    let mut request = command.clone();
    request.append(cstr!("$db"), "admin");
    let reply = analyze_request(&request).unwrap();
    assert_eq!(reply.get_document("result").unwrap(), command.as_ref());
    assert!(!reply.get_bool("schemaRequiresEncryption").unwrap());
    let plain = rawdoc! { "bulkWrite": 1, "ops": [], "nsInfo": [{ "ns": "db.c" }] };
    refused(&with_schema(plain), 9_900_083, "bulkWrite is not supported");
}

#[test]
fn an_error_becomes_a_reply() {
    let error = analyze_request(&rawdoc! { "frob": 1 }).unwrap_err();
    assert_eq!(
        error_reply(&error),
        rawdoc! {
            "ok": 0.0,
            "errmsg": "no such command: 'frob'",
            "code": 59,
            "codeName": "CommandNotFound",
        }
    );
}
