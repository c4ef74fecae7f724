//! Queryable Encryption, the client's side, with the server's part played by the test.

use bson::{Binary, Document, RawDocument, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use fieldveil_core::{
    Algorithm, ExplicitOptions, KeyId, QueryAnalysis, QueryType, RangeOptions, TextOptions,
};
use fieldveil_crypto::hmac::hmac_sha256;
use fieldveil_crypto::qe::tokens::ServerDataEncryptionLevel1Token;

use crate::outside::{Outside, binary, encrypted, uuid};

/// First byte and document of the payload in `v`.
fn payload(result: &RawDocument) -> (u8, RawDocumentBuf) {
    let content = binary(result);
    (content[0], RawDocumentBuf::from_bytes(content[1..].to_vec()).unwrap())
}

fn names(document: &RawDocument) -> Vec<String> {
    document.iter().map(|element| element.unwrap().0.to_string()).collect()
}

fn bytes<'a>(document: &'a RawDocument, name: &str) -> &'a [u8] {
    let binary = document.get_binary(name).unwrap();
    assert_eq!(binary.subtype, BinarySubtype::Generic);
    binary.bytes
}

struct Keys {
    outside: Outside,
    user: KeyId,
    index: KeyId,
}

impl Keys {
    fn new() -> Self {
        let mut outside = Outside::new();
        let (user, index) = (outside.make_key(&[]), outside.make_key(&[]));
        Self { outside, user, index }
    }

    fn options(&self, algorithm: Algorithm) -> ExplicitOptions {
        ExplicitOptions {
            key_id: Some(self.user),
            index_key_id: Some(self.index),
            algorithm: Some(algorithm),
            contention_factor: Some(0),
            ..ExplicitOptions::new()
        }
    }

    fn encrypt(&mut self, message: &RawDocument, options: &ExplicitOptions) -> RawDocumentBuf {
        self.outside.encrypt(message, options).unwrap()
    }
}

/// A token with contention factor 0.
fn with_factor(token: &[u8]) -> [u8; 32] {
    hmac_sha256(token, &0_u64.to_le_bytes())
}

/// What a server stores for an insert payload of an equality index.
fn stored(index: KeyId, payload: &RawDocument) -> Vec<u8> {
    let token: &[u8; 32] = bytes(payload, "e").try_into().unwrap();
    let mut content = vec![14];
    content.extend_from_slice(index.as_bytes());
    content.push(u8::try_from(payload.get_i32("t").unwrap()).unwrap());
    let token = ServerDataEncryptionLevel1Token::from_bytes(token);
    token.encrypt_value(&[9; 16], bytes(payload, "v"), &mut content);
    content.extend_from_slice(&[0; 96]);
    content
}

#[test]
fn a_stored_value_is_decrypted_with_the_index_key_and_then_the_users() {
    let mut keys = Keys::new();
    let message = rawdoc! { "v": "value" };
    let options = keys.options(Algorithm::Indexed);
    let (first_byte, payload) = payload(&keys.encrypt(&message, &options));
    assert_eq!(first_byte, 11);
    assert_eq!(names(&payload), ["d", "s", "p", "u", "t", "v", "e", "l", "k"]);
    let content = stored(keys.index, &payload);

    let mut outside = Outside { vault: keys.outside.vault, ..Outside::new() };
    let document = rawdoc! { "a": [encrypted(content.clone())] };
    assert_eq!(outside.decrypt(&document).unwrap(), rawdoc! { "a": ["value"] });
    assert_eq!(outside.waits, ["keys", "keys"]);
    assert_eq!(outside.decrypt(&document).unwrap(), rawdoc! { "a": ["value"] });
    assert!(outside.waits.is_empty());

    for len in 1..content.len() {
        let cut = rawdoc! { "a": encrypted(content[..len].to_vec()) };
        assert!(outside.decrypt(&cut).is_err(), "{len}");
    }
}

#[test]
fn one_key_in_both_roles_is_asked_for_once() {
    let mut keys = Keys::new();
    let mut options = keys.options(Algorithm::Indexed);
    options.index_key_id = None;
    let (_, payload) = payload(&keys.encrypt(&rawdoc! { "v": 5 }, &options));
    let content = stored(keys.user, &payload);
    let mut outside = Outside { vault: keys.outside.vault, ..Outside::new() };
    let document = rawdoc! { "a": encrypted(content) };
    assert_eq!(outside.decrypt(&document).unwrap(), rawdoc! { "a": 5 });
    assert_eq!(outside.waits, ["keys"]);
}

#[test]
fn equality_tokens_of_query_and_value_meet() {
    let mut keys = Keys::new();
    let message = rawdoc! { "v": "value" };
    let mut options = keys.options(Algorithm::Indexed);
    let (_, insert) = payload(&keys.encrypt(&message, &options));
    options.query_type = Some(QueryType::Equality);
    let (first_byte, find) = payload(&keys.encrypt(&message, &options));
    assert_eq!(first_byte, 12);
    assert_eq!(names(&find), ["d", "s", "l", "cm"]);
    assert_eq!(bytes(&insert, "d"), with_factor(bytes(&find, "d")));
    assert_eq!(bytes(&insert, "s"), with_factor(bytes(&find, "s")));
    assert_eq!(bytes(&insert, "l"), bytes(&find, "l"));
    let (_, other) = payload(&keys.encrypt(&rawdoc! { "v": "other" }, &options));
    assert_ne!(bytes(&other, "d"), bytes(&find, "d"));
}

/// Tokens `d` of the sets in an array.
fn tokens_of(sets: &bson::RawArray) -> Vec<Vec<u8>> {
    let sets = sets.into_iter().map(|set| set.unwrap().as_document().unwrap());
    sets.map(|set| bytes(set, "d").to_vec()).collect()
}

#[test]
fn a_value_meets_a_range_in_one_token_if_it_is_inside() {
    let mut keys = Keys::new();
    let mut insert = keys.options(Algorithm::Range);
    insert.range = Some(RangeOptions::parse(&rawdoc! { "min": 0, "max": 200 }).unwrap());
    let mut find = insert.clone();
    find.query_type = Some(QueryType::Range);
    let query =
        rawdoc! { "v": { "$and": [ { "age": { "$gte": 23 } }, { "age": { "$lt": 35 } } ] } };
    let crypt = keys.outside.crypt.clone();
    let result = keys.outside.run(|_, env| crypt.encrypt_expression(&query, &find, env)).unwrap();
    let clauses = result.get_document("v").unwrap().get_array("$and").unwrap();
    let clause = |index, operator| {
        let clause = clauses.get_document(index).unwrap().get_document("age").unwrap();
        let content = clause.get_binary(operator).unwrap().bytes;
        assert_eq!(content[0], 13);
        RawDocumentBuf::from_bytes(content[1..].to_vec()).unwrap()
    };
    let (first, second) = (clause(0, "$gte"), clause(1, "$lt"));
    let common = ["payloadId", "firstOperator", "secondOperator"];
    assert_eq!(names(&second), common);
    for name in common {
        assert_eq!(first.get_i32(name).unwrap(), second.get_i32(name).unwrap());
    }
    assert_eq!(first.get_i32("firstOperator").unwrap(), 2);
    assert_eq!(first.get_i32("secondOperator").unwrap(), 3);
    let cover = tokens_of(first.get_document("payload").unwrap().get_array("g").unwrap());
    let cover: Vec<_> = cover.iter().map(|token| with_factor(token)).collect();

    for (value, is_inside) in [(22, false), (23, true), (34, true), (35, false)] {
        let (_, stored) = payload(&keys.encrypt(&rawdoc! { "v": value }, &insert));
        assert_eq!(names(&stored)[9..], ["g", "sp", "tf", "mn", "mx"]);
        let edges = tokens_of(stored.get_array("g").unwrap());
        let shared = edges.iter().filter(|edge| cover.iter().any(|token| token == &edge[..]));
        assert_eq!(shared.count(), usize::from(is_inside), "{value}");
    }
}

#[test]
fn aggregation_expressions_keep_their_shape() {
    let mut keys = Keys::new();
    let mut options = keys.options(Algorithm::Range);
    options.range = Some(RangeOptions::parse(&rawdoc! { "min": 0, "max": 200 }).unwrap());
    options.query_type = Some(QueryType::Range);
    let crypt = keys.outside.crypt.clone();
    let query = rawdoc! { "v": { "$and": [ { "$gt": ["$age", 23] } ] } };
    let result =
        keys.outside.run(|_, env| crypt.encrypt_expression(&query, &options, env)).unwrap();
    let clauses = result.get_document("v").unwrap().get_array("$and").unwrap();
    let arguments = clauses.get_document(0).unwrap().get_array("$gt").unwrap();
    assert_eq!(arguments.get_str(0).unwrap(), "$age");
    assert_eq!(arguments.get_binary(1).unwrap().bytes[0], 13);
    for wrong in [
        rawdoc! { "v": { "$or": [] } },
        rawdoc! { "v": { "$and": [] } },
        rawdoc! { "v": { "$and": [ { "age": { "$eq": 1 } } ] } },
        rawdoc! { "v": { "$and": [ { "age": { "$gt": 1 } }, { "other": { "$lt": 5 } } ] } },
        rawdoc! { "v": { "$and": [ { "age": { "$gt": 1 } }, { "age": { "$gte": 5 } } ] } },
        rawdoc! { "v": { "$and": [ { "age": { "$gt": 9 } }, { "age": { "$lt": 5 } } ] } },
        rawdoc! { "v": { "$and": [ { "age": { "$gt": 1.5 } } ] } },
        rawdoc! { "v": 5 },
    ] {
        let result = keys.outside.run(|_, env| crypt.encrypt_expression(&wrong, &options, env));
        assert!(result.is_err(), "{wrong:?}");
    }
    let error = keys.outside.encrypt(&query, &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Encrypt may not be used for range queries. Use EncryptExpression."
    );
}

#[test]
fn prefixes_of_a_string_meet_its_prefix_tokens() {
    let mut keys = Keys::new();
    let mut options = keys.options(Algorithm::String);
    options.text = Some(
        TextOptions::parse(&rawdoc! {
            "caseSensitive": false, "diacriticSensitive": false,
            "prefix": { "strMinQueryLength": 2, "strMaxQueryLength": 4 },
            "suffix": { "strMinQueryLength": 2, "strMaxQueryLength": 4 },
        })
        .unwrap(),
    );
    let (_, insert) = payload(&keys.encrypt(&rawdoc! { "v": "Élodie" }, &options));
    let sets = insert.get_document("b").unwrap();
    assert_eq!(names(sets), ["e", "s", "u", "p"]);
    assert!(sets.get_array("s").unwrap().is_empty());
    let prefixes = tokens_of(sets.get_array("p").unwrap());
    let suffixes = tokens_of(sets.get_array("u").unwrap());
    assert_eq!((prefixes.len(), suffixes.len()), (3, 3));
    for (query_type, name, query, is_found) in [
        (QueryType::Prefix, "p", "el", true),
        (QueryType::Prefix, "p", "ÉLOD", true),
        (QueryType::Prefix, "p", "lo", false),
        (QueryType::Suffix, "u", "die", true),
        (QueryType::Suffix, "u", "el", false),
    ] {
        options.query_type = Some(query_type);
        let (first_byte, find) = payload(&keys.encrypt(&rawdoc! { "v": query }, &options));
        assert_eq!(first_byte, 18);
        let set = find.get_document("ts").unwrap().get_document(name).unwrap();
        let token = with_factor(bytes(set, "d"));
        let stored = if name == "p" { &prefixes } else { &suffixes };
        assert_eq!(stored.iter().any(|other| other == &token), is_found, "{query}");
    }
    for query in ["", "e", "elodi"] {
        assert!(keys.outside.encrypt(&rawdoc! { "v": query }, &options).is_err(), "{query}");
    }
}

/// A marking of Queryable Encryption.
fn placeholder(document: &RawDocument) -> Binary {
    let mut content = vec![3];
    content.extend_from_slice(document.as_bytes());
    encrypted(content)
}

fn automatic() -> (Outside, KeyId, RawDocumentBuf) {
    let mut outside = Outside::new();
    let id = outside.make_key(&["named"]);
    let fields = rawdoc! { "fields": [
        { "path": "a", "keyId": uuid(id), "queries": { "queryType": "equality" } },
        { "path": "b.c", "keyAltName": "named", "queries": { "queryType": "range" } },
        { "path": "d", "keyId": uuid(id) },
    ] };
    let map = rawdoc! { "db.c": fields.clone() };
    let vault = outside.vault;
    let outside = Outside {
        vault,
        ..Outside::with(|builder| {
            builder.encrypted_fields_map(&map).unwrap();
            builder.query_analysis(QueryAnalysis::External);
        })
    };
    (outside, id, fields)
}

#[test]
fn commands_carry_encryption_information_if_the_server_needs_it() {
    let (mut outside, id, _) = automatic();
    let insert = rawdoc! {
        "t": 1, "a": 2, "ki": uuid(id), "ku": uuid(id), "v": "secret", "cm": 0_i64,
    };
    outside.analysis = Some(rawdoc! {
        "hasEncryptionPlaceholders": true, "schemaRequiresEncryption": true,
        "result": { "insert": "c", "documents": [ { "a": placeholder(&insert) } ] },
    });
    let command = rawdoc! { "insert": "c", "documents": [ { "a": "secret" } ], "$db": "db" };
    let sent = outside.command(&command).unwrap();
    assert_eq!(outside.waits, ["keys", "markings"]);
    assert_eq!(names(&sent), ["insert", "documents", "encryptionInformation", "$db"]);
    let information = sent.get_document("encryptionInformation").unwrap();
    let schema = information.get_document("schema").unwrap().get_document("db.c").unwrap();
    assert_eq!(names(schema), ["fields", "escCollection", "ecocCollection"]);
    assert_eq!(schema.get_str("escCollection").unwrap(), "enxcol_.c.esc");
    // Alternate names do not leave the client.
    let named = schema.get_array("fields").unwrap().get_document(1).unwrap();
    assert_eq!(names(named), ["path", "queries", "keyId"]);
    assert!(!sent.as_bytes().windows(6).any(|window| window == b"secret"));
    let back = outside.decrypt(&sent).unwrap();
    let document = back.get_array("documents").unwrap().get_document(0).unwrap();
    assert_eq!(document.get_str("a").unwrap(), "secret");

    // A command without payloads goes without; writes that maintain tags always carry it.
    for (result, carries) in [
        (rawdoc! { "find": "c", "filter": {} }, false),
        (rawdoc! { "delete": "c", "deletes": [] }, true),
    ] {
        outside.analysis =
            Some(rawdoc! { "schemaRequiresEncryption": true, "result": result.clone() });
        let sent = outside.command(&result).unwrap();
        assert_eq!(sent.get("encryptionInformation").unwrap().is_some(), carries);
    }
}

#[test]
fn compaction_carries_a_token_for_every_field() {
    let (mut outside, _, _) = automatic();
    for (command, tokens) in [
        (rawdoc! { "compactStructuredEncryptionData": "c" }, "compactionTokens"),
        (rawdoc! { "cleanupStructuredEncryptionData": "c" }, "cleanupTokens"),
    ] {
        let sent = outside.command(&command).unwrap();
        let tokens = sent.get_document(tokens).unwrap();
        assert_eq!(names(tokens), ["d", "b.c", "a"]);
        assert_eq!(bytes(tokens, "a").len(), 32);
        // One key: one token of the compaction collection.
        assert_eq!(bytes(tokens, "a"), bytes(tokens, "d"));
        let range = tokens.get_document("b.c").unwrap();
        assert_eq!(names(range), ["ecoc", "anchorPaddingToken"]);
    }
    assert!(outside.waits.is_empty());
    let mut plain = Outside::new();
    let error = plain.command(&rawdoc! { "compactStructuredEncryptionData": "c" }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected to have encryptedFields for compactStructuredEncryptionData command but have none"
    );
}

#[test]
fn malformed_placeholders_let_nothing_through() {
    let (mut outside, id, _) = automatic();
    let good: Document = bson::doc! {
        "t": 1, "a": 2, "ki": uuid(id), "ku": uuid(id), "v": "x", "cm": 0_i64,
    };
    let mut error = |change: &dyn Fn(&mut Document)| {
        let mut changed = good.clone();
        change(&mut changed);
        let changed = RawDocumentBuf::try_from(&changed).unwrap();
        outside.analysis = Some(rawdoc! { "result": { "x": placeholder(&changed) } });
        outside.command(&rawdoc! { "insert": "c" }).unwrap_err().to_string()
    };
    let prefix = "Error parsing FLE2EncryptionPlaceholder: ";
    for name in ["t", "a", "ki", "ku", "v", "cm"] {
        let text = error(&|document| {
            document.remove(name);
        });
        assert_eq!(text, format!("{prefix}Missing field '{name}' in placeholder"));
    }
    let text = error(&|document| {
        document.insert("a", 9);
    });
    assert_eq!(text, format!("{prefix}invalid algorithm value: 9"));
    let text = error(&|document| {
        document.insert("cm", -1_i64);
    });
    assert_eq!(text, "Error validating contention: contention must be non-negative, got: -1");
    for algorithm in [3, 4] {
        let text = error(&|document| {
            document.insert("a", algorithm);
        });
        assert!(text.contains("must be an iterator to a document"), "{text}");
    }
}
