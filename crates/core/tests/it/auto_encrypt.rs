//! Automatic encryption, CSFLE.

use bson::{RawDocument, RawDocumentBuf, rawdoc};
use fieldveil_core::{CoreError, KeyId, QueryAnalysis, Step};

use crate::outside::{Outside, marking, uuid};

const DETERMINISTIC: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";

fn schema(id: KeyId) -> RawDocumentBuf {
    rawdoc! { "bsonType": "object", "properties": { "ssn": { "encrypt": {
        "bsonType": "string", "algorithm": DETERMINISTIC, "keyId": [uuid(id)],
    } } } }
}

fn insert() -> RawDocumentBuf {
    rawdoc! { "insert": "c", "documents": [ { "name": "Dora", "ssn": "123" } ], "$db": "db" }
}

/// With a key, and the client's own schema for `db.c`.
fn with_schema_map() -> Outside {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let vault = outside.vault;
    let map = rawdoc! { "db.c": schema(id) };
    Outside {
        vault,
        ..Outside::with(|builder| {
            builder.schema_map(&map).unwrap();
        })
    }
}

fn external() -> (Outside, KeyId) {
    let mut outside = Outside::with(|builder| {
        builder.query_analysis(QueryAnalysis::External);
    });
    let id = outside.make_key(&["n"]);
    (outside, id)
}

fn ssn(command: &RawDocument) -> &[u8] {
    let document = command.get_array("documents").unwrap().get_document(0).unwrap();
    document.get_binary("ssn").unwrap().bytes
}

#[test]
fn a_schema_of_the_clients_encrypts_without_a_question_about_it() {
    let mut outside = with_schema_map();
    let encrypted = outside.command(&insert()).unwrap();
    assert_eq!(outside.waits, ["keys"]);
    assert_eq!(ssn(&encrypted)[0], 1);
    assert_eq!(encrypted.get_str("$db").unwrap(), "db");
    let back = outside.decrypt(&encrypted).unwrap();
    let document = back.get_array("documents").unwrap().get_document(0).unwrap();
    assert_eq!(document.get_str("ssn").unwrap(), "123");
    assert_eq!(document.get_str("name").unwrap(), "Dora");
    let again = outside.command(&insert()).unwrap();
    assert!(outside.waits.is_empty());
    assert_eq!(again, encrypted);
}

#[test]
fn what_analysis_leaves_out_is_not_sent_even_if_nothing_is_encrypted() {
    let mut outside = with_schema_map();
    let update = |argument: &str| {
        rawdoc! { "update": "c", "updates": [
            { "q": {}, "u": { "$unset": { "ssn": argument } } },
        ], "$db": "db" }
    };
    assert_eq!(outside.command(&update("123")).unwrap(), update(""));
    assert!(outside.waits.is_empty());
}

#[test]
fn the_servers_schema_is_asked_for_and_kept_for_a_minute() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let validator = rawdoc! { "$jsonSchema": schema(id) };
    outside.collections = vec![rawdoc! {
        "name": "c", "type": "collection", "options": { "validator": validator },
    }];
    let encrypted = outside.command(&insert()).unwrap();
    assert_eq!(outside.waits, ["collection info", "keys"]);
    assert_eq!(outside.asked[0], rawdoc! { "name": "c" });
    assert_eq!(ssn(&encrypted)[0], 1);
    outside.command(&insert()).unwrap();
    assert!(outside.waits.is_empty());
    outside.now += std::time::Duration::from_secs(61);
    outside.command(&insert()).unwrap();
    assert_eq!(outside.waits, ["collection info", "keys"]);
}

#[test]
fn a_collection_without_schema_passes_byte_for_byte() {
    let mut outside = Outside::new();
    for _ in 0..2 {
        assert_eq!(outside.command(&insert()).unwrap(), insert());
    }
    assert!(outside.waits.is_empty(), "that there is no schema is kept as well");
}

#[test]
fn bypassed_commands_pass_and_unknown_ones_are_refused() {
    let mut outside = with_schema_map();
    let ping = rawdoc! { "ping": 1, "$db": "db" };
    assert_eq!(outside.command(&ping).unwrap(), ping);
    let error = outside.command(&rawdoc! { "mapReduce": "c" }).unwrap_err();
    assert_eq!(error.to_string(), "command not supported for auto encryption: mapReduce");
    let crypt = outside.crypt.clone();
    let error = crypt.encrypt_command("", &ping, &mut outside.env()).unwrap_err();
    assert_eq!(error.to_string(), "invalid db");
}

#[test]
fn collection_information_is_checked() {
    let mut outside = Outside::new();
    let mut error = |infos: &[RawDocumentBuf]| {
        outside.collections = infos.to_vec();
        outside.command(&insert()).unwrap_err().to_string()
    };
    assert_eq!(
        error(&[rawdoc! { "name": "d" }]),
        "got unexpected collinfo result for collection: db.d"
    );
    assert_eq!(
        error(&[rawdoc! { "name": "c" }, rawdoc! { "name": "c" }]),
        "unexpected duplicate collinfo result for collection: db.c"
    );
    assert_eq!(
        error(&[rawdoc! { "name": "c", "type": "view" }]),
        "cannot auto encrypt a view: db.c"
    );
    assert_eq!(error(&[rawdoc! { "x": "c" }]), "failed to find 'name' in collinfo in database: db");
}

#[test]
fn a_collection_may_not_have_schemas_of_both_kinds() {
    let mut builder = fieldveil_core::Crypt::builder();
    builder.kms_providers(&rawdoc! { "local": { "key": crate::outside::local_key() } }).unwrap();
    builder.schema_map(&rawdoc! { "db.c": {} }).unwrap();
    builder.encrypted_fields_map(&rawdoc! { "db.c": { "fields": [] } }).unwrap();
    assert_eq!(
        builder.build().unwrap_err().to_string(),
        "db.c is present in both schema_map and encrypted_field_config_map"
    );
}

#[test]
fn external_analysis_gets_the_schema_and_its_markings_are_encrypted() {
    let (mut outside, id) = external();
    outside.collections = vec![rawdoc! { "name": "c", "options": {
        "validator": { "$jsonSchema": schema(id) },
    } }];
    let by_id = rawdoc! { "a": 1, "ki": uuid(id), "v": "123" };
    let by_name = rawdoc! { "a": 2, "ka": "n", "v": { "x": 1 } };
    outside.analysis = Some(rawdoc! {
        "hasEncryptionPlaceholders": true, "schemaRequiresEncryption": true, "ok": 1.0,
        "result": { "insert": "c", "documents": [
            { "name": "Dora", "ssn": marking(&by_id), "more": marking(&by_name) },
        ] },
    });
    let encrypted = outside.command(&insert()).unwrap();
    assert_eq!(outside.waits, ["collection info", "markings", "keys"]);
    let expected = rawdoc! {
        "insert": "c", "documents": [ { "name": "Dora", "ssn": "123" } ],
        "jsonSchema": schema(id), "isRemoteSchema": true,
    };
    assert_eq!(outside.asked[1], expected);
    assert_eq!(encrypted.get_str("$db").unwrap(), "db");
    let back = outside.decrypt(&encrypted).unwrap();
    let document = back.get_array("documents").unwrap().get_document(0).unwrap();
    assert_eq!(document.get_str("ssn").unwrap(), "123");
    assert_eq!(document.get_document("more").unwrap(), &*rawdoc! { "x": 1 });
}

#[test]
fn without_a_schema_analysis_is_told_that_the_server_has_none() {
    let (mut outside, _) = external();
    outside.analysis = Some(rawdoc! { "schemaRequiresEncryption": false, "ok": 1.0 });
    assert_eq!(outside.command(&insert()).unwrap(), insert());
    let expected = rawdoc! {
        "insert": "c", "documents": [ { "name": "Dora", "ssn": "123" } ],
        "jsonSchema": {}, "isRemoteSchema": true,
    };
    assert_eq!(outside.asked[1], expected);
}

#[test]
fn wrong_replies_of_analysis_let_nothing_through() {
    let (mut outside, id) = external();
    let mut error = |reply: RawDocumentBuf| -> String {
        outside.analysis = Some(reply);
        outside.command(&insert()).unwrap_err().to_string()
    };
    assert_eq!(error(rawdoc! { "ok": 1.0 }), "malformed marking, no 'result'");
    assert_eq!(error(rawdoc! { "result": 1 }), "malformed marking, 'result' must be a document");
    let no_value = rawdoc! { "a": 1, "ki": uuid(id) };
    assert_eq!(error(rawdoc! { "result": { "x": marking(&no_value) } }), "no 'v' specified");
    let double = rawdoc! { "a": 1, "ki": uuid(id), "v": 1.5 };
    assert_eq!(
        error(rawdoc! { "result": { "x": marking(&double) } }),
        "BSON type invalid for deterministic encryption"
    );
}

#[test]
fn no_reply_of_analysis_lets_nothing_through() {
    let (mut outside, _) = external();
    outside.command(&rawdoc! { "ping": 1 }).unwrap();
    let crypt = outside.crypt.clone();
    let step = crypt.encrypt_command("db", &insert(), &mut outside.env()).unwrap();
    let Step::CollectionInfo(need) = step else { panic!() };
    let Step::Markings(need) = need.done(&mut outside.env()).unwrap() else { panic!() };
    let error: CoreError = need.done(&mut outside.env()).unwrap_err();
    assert_eq!(error.to_string(), "malformed marking, no 'result'");
}

#[test]
fn the_age_of_the_analysing_process_matters_for_create_and_for_several_collections() {
    let (mut outside, _) = external();
    let create = rawdoc! { "create": "c" };
    outside.wire_version = 16;
    assert_eq!(outside.command(&create).unwrap(), create);
    assert_eq!(outside.waits, ["markings"]);
    outside.wire_version = 17;
    outside.analysis = Some(rawdoc! { "schemaRequiresEncryption": false });
    assert_eq!(outside.command(&create).unwrap(), create);
    assert_eq!(outside.waits, ["markings", "markings"]);

    let lookup = rawdoc! { "aggregate": "a", "pipeline": [ { "$lookup": { "from": "b" } } ] };
    outside.wire_version = 25;
    let error = outside.command(&lookup).unwrap_err().to_string();
    assert!(error.contains("Upgrade mongocryptd to 8.1 or newer"), "{error}");
    outside.wire_version = 26;
    assert_eq!(outside.command(&lookup).unwrap(), lookup);
    assert_eq!(outside.asked[1], rawdoc! { "name": { "$in": ["a", "b"] } });
    let schemas = outside.asked[2].get_document("csfleEncryptionSchemas").unwrap();
    let empty = rawdoc! { "jsonSchema": {}, "isRemoteSchema": false };
    assert_eq!(schemas, &*rawdoc! { "db.a": empty.clone(), "db.b": empty });
}

#[test]
fn several_collections_are_refused_where_they_are_not_allowed() {
    let mut outside = Outside::with(|builder| {
        builder.several_collections(false);
    });
    let lookup = rawdoc! { "aggregate": "a", "pipeline": [ { "$lookup": { "from": "b" } } ] };
    let error = outside.command(&lookup).unwrap_err().to_string();
    assert!(error.starts_with("aggregate includes a $lookup stage"), "{error}");
}

#[test]
fn bulk_write_asks_the_database_that_it_names() {
    let (mut outside, _) = external();
    let command = rawdoc! { "bulkWrite": 1, "ops": [], "nsInfo": [ { "ns": "other.c" } ] };
    let crypt = outside.crypt.clone();
    let step = crypt.encrypt_command("admin", &command, &mut outside.env()).unwrap();
    let Step::CollectionInfo(need) = step else { panic!() };
    assert_eq!(need.database(), "other");
    assert!(need.is_other_database());
    let Step::Markings(need) = need.done(&mut outside.env()).unwrap() else { panic!() };
    assert_eq!(need.database(), "admin");
    let info = need.command().get_array("nsInfo").unwrap().get_document(0).unwrap();
    assert!(info.get_document("encryptionInformation").is_ok());
}

#[test]
fn bypassing_analysis_sends_commands_as_they_are() {
    let mut outside = Outside::new();
    let id = outside.make_key(&[]);
    let map = rawdoc! { "db.c": schema(id) };
    let mut outside = Outside::with(|builder| {
        builder.schema_map(&map).unwrap().bypass_query_analysis(true);
    });
    assert_eq!(outside.command(&insert()).unwrap(), insert());
}
