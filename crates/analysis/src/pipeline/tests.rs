use std::sync::Arc;

use bson::{Binary, RawDocumentBuf, rawdoc, spec::BinarySubtype};

use crate::{AnalyzeError, EncryptionSchema, SchemaOrigin, SchemaSet, analyze};

fn key() -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] }
}

fn marked(value: impl Into<bson::RawBson>) -> Binary {
    let mut bytes = vec![0];
    bytes.extend(rawdoc! { "a": 1, "ki": key(), "v": value.into() }.as_bytes());
    Binary { subtype: BinarySubtype::Encrypted, bytes }
}

fn schemas() -> SchemaSet {
    let deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
    let random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random";
    let field = |algorithm: &str, kind: &str| {
        rawdoc! { "encrypt": { "algorithm": algorithm, "keyId": [key()], "bsonType": kind } }
    };
    let people = rawdoc! { "bsonType": "object", "properties": {
        "ssn": field(deterministic, "string"),
        "other_ssn": field(deterministic, "string"),
        "age": field(deterministic, "int"),
        "secret": field(random, "string"),
        "pay": { "bsonType": "object", "properties": { "amount": field(deterministic, "int") } },
    } };
    let orders = rawdoc! { "bsonType": "object", "properties": {
        "customer_ssn": field(deterministic, "string"),
        "price": field(deterministic, "long"),
    } };
    let mut set = SchemaSet::new();
    let parse = |schema: &RawDocumentBuf| {
        Arc::new(EncryptionSchema::parse(schema, SchemaOrigin::Local).unwrap())
    };
    set.insert("db.people", parse(&people));
    set.insert("db.orders", parse(&orders));
    set.insert("db.plain", Arc::new(EncryptionSchema::empty()));
    set
}

fn run_on(
    collection: &str,
    pipeline: Vec<RawDocumentBuf>,
) -> Result<Vec<RawDocumentBuf>, AnalyzeError> {
    let mut array = bson::RawArrayBuf::new();
    for stage in pipeline {
        array.push(stage);
    }
    let command = rawdoc! { "aggregate": collection, "pipeline": array, "cursor": {} };
    let analysis = analyze(&command, "db", &schemas())?;
    let pipeline = analysis.command.get_array("pipeline").unwrap();
    Ok(pipeline.into_iter().map(|stage| stage.unwrap().as_document().unwrap().to_owned()).collect())
}

fn run(pipeline: Vec<RawDocumentBuf>) -> Result<Vec<RawDocumentBuf>, AnalyzeError> {
    run_on("people", pipeline)
}

#[track_caller]
fn stays(pipeline: Vec<RawDocumentBuf>) {
    assert_eq!(run(pipeline.clone()).unwrap(), pipeline);
}

#[track_caller]
fn refused(pipeline: Vec<RawDocumentBuf>, text: &str) {
    let error = run(pipeline).unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
}

/// A stage after which `path` is compared with a text.
fn equals(path: &str) -> RawDocumentBuf {
    let mut filter = RawDocumentBuf::new();
    filter.append(bson::raw::CString::try_from(path).unwrap(), "a");
    rawdoc! { "$match": filter }
}

fn marked_equals(path: &str) -> RawDocumentBuf {
    let mut filter = RawDocumentBuf::new();
    filter.append(bson::raw::CString::try_from(path).unwrap(), rawdoc! { "$eq": marked("a") });
    rawdoc! { "$match": filter }
}

/// Asserts that behind `stages`, the path is encrypted like `ssn`.
#[track_caller]
fn leaves_encrypted(mut stages: Vec<RawDocumentBuf>, path: &str) {
    stages.push(equals(path));
    let result = run(stages).unwrap();
    assert_eq!(result.last().unwrap(), &marked_equals(path));
}

/// Asserts that behind `stages`, the path is plain.
#[track_caller]
fn leaves_plain(mut stages: Vec<RawDocumentBuf>, path: &str) {
    stages.push(equals(path));
    stays(stages);
}

/// Asserts that behind `stages`, nobody knows what the path is.
#[track_caller]
fn leaves_unknown(mut stages: Vec<RawDocumentBuf>, path: &str) {
    stages.push(equals(path));
    refused(stages, "not known until runtime");
}

#[test]
fn stages_that_pass_documents_keep_what_is_known() {
    for stage in [
        rawdoc! { "$match": { "x": 1 } },
        rawdoc! { "$sort": { "x": 1, "s": { "$meta": "textScore" } } },
        rawdoc! { "$skip": 1 },
        rawdoc! { "$limit": 1 },
        rawdoc! { "$sample": { "size": 1 } },
        rawdoc! { "$unwind": "$list" },
        rawdoc! { "$unwind": { "path": "$list", "includeArrayIndex": "i" } },
        rawdoc! { "$redact": { "$cond": [{ "$eq": ["$x", 1] }, "$$PRUNE", "$$DESCEND"] } },
        rawdoc! { "$geoNear": { "near": [1, 1], "distanceField": "d", "key": "place" } },
    ] {
        leaves_encrypted(vec![stage], "ssn");
    }
}

#[test]
fn projections_move_what_is_known() {
    leaves_encrypted(vec![rawdoc! { "$project": { "ssn": 1 } }], "ssn");
    leaves_plain(vec![rawdoc! { "$project": { "x": 1 } }], "ssn");
    leaves_plain(vec![rawdoc! { "$project": { "ssn": 0 } }], "ssn");
    leaves_encrypted(vec![rawdoc! { "$project": { "secret": 0 } }], "ssn");
    leaves_encrypted(vec![rawdoc! { "$project": { "secret": 0, "_id": 1 } }], "ssn");
    leaves_encrypted(vec![rawdoc! { "$project": { "_id": 0 } }], "ssn");
    leaves_plain(vec![rawdoc! { "$project": { "_id": 0, "x": 1 } }], "ssn");
    leaves_encrypted(vec![rawdoc! { "$project": { "n": "$ssn" } }], "n");
    leaves_encrypted(vec![rawdoc! { "$project": { "a": { "b": "$ssn" } } }], "a.b");
    leaves_encrypted(vec![rawdoc! { "$addFields": { "n": "$ssn" } }], "n");
    leaves_encrypted(vec![rawdoc! { "$set": { "a.b": "$ssn" } }], "a.b");
    leaves_encrypted(vec![rawdoc! { "$addFields": { "n": "$x" } }], "ssn");
    leaves_plain(vec![rawdoc! { "$addFields": { "ssn": "$x" } }], "ssn");
    leaves_plain(vec![rawdoc! { "$unset": "ssn" }], "ssn");
    leaves_plain(vec![rawdoc! { "$unset": ["x", "ssn"] }], "ssn");
    leaves_encrypted(vec![rawdoc! { "$unset": ["x", "secret"] }], "ssn");
    leaves_plain(vec![rawdoc! { "$project": { "pay": { "note": 1 } } }], "pay.amount");
    refused(vec![rawdoc! { "$addFields": { "ssn.x": 1 } }], "contains an encrypted path prefix");
    refused(vec![rawdoc! { "$project": { "ssn.x": 1 } }], "contains an encrypted path prefix");
    refused(
        vec![rawdoc! { "$project": { "x": { "$toUpper": "$ssn" } } }],
        "Invalid reference to an encrypted field within aggregate expression: ssn",
    );
}

#[test]
fn new_roots_carry_what_is_known() {
    leaves_encrypted(vec![rawdoc! { "$replaceRoot": { "newRoot": { "n": "$ssn", "x": 1 } } }], "n");
    leaves_encrypted(vec![rawdoc! { "$replaceWith": "$$ROOT" }], "ssn");
    leaves_plain(vec![rawdoc! { "$replaceWith": "$x" }], "ssn");
    refused(vec![rawdoc! { "$replaceWith": "$ssn" }], "Invalid reference");
    refused(
        vec![rawdoc! { "$replaceWith": { "$mergeObjects": ["$$ROOT", { "x": 1 }] } }],
        "Invalid reference to an encrypted field within aggregate expression: $$ROOT",
    );
}

#[test]
fn results_that_may_be_encrypted_can_pass_but_not_be_used() {
    leaves_unknown(vec![rawdoc! { "$set": { "n": { "$cond": ["$x", "$ssn", "none"] } } }], "n");
    leaves_unknown(vec![rawdoc! { "$set": { "n": { "$ifNull": ["$ssn", "none"] } } }], "n");
    leaves_unknown(
        vec![rawdoc! { "$set": { "n": { "$switch": {
            "branches": [{ "case": "$x", "then": "$ssn" }], "default": "$secret",
        } } } }],
        "n",
    );
    leaves_encrypted(
        vec![
            rawdoc! { "$set": { "n": { "$cond": { "if": "$x", "then": "$ssn", "else": "$other_ssn" } } } },
        ],
        "n",
    );
    leaves_encrypted(
        vec![rawdoc! { "$set": { "n": { "$let": { "vars": { "v": 1 }, "in": "$ssn" } } } }],
        "n",
    );
}

#[test]
fn constants_in_expressions_are_marked() {
    let marked_condition = |condition: RawDocumentBuf, expected: RawDocumentBuf| {
        assert_eq!(
            run(vec![rawdoc! { "$set": { "n": condition } }]).unwrap(),
            [rawdoc! { "$set": { "n": expected } }]
        );
    };
    marked_condition(rawdoc! { "$eq": ["a", "$ssn"] }, rawdoc! { "$eq": [marked("a"), "$ssn"] });
    marked_condition(
        rawdoc! { "$ne": ["$$ROOT.pay.amount", { "$literal": 5 }] },
        rawdoc! { "$ne": ["$$ROOT.pay.amount", marked(5)] },
    );
    marked_condition(
        rawdoc! { "$in": ["$ssn", ["a", { "$literal": "$b" }, "$other_ssn"]] },
        rawdoc! { "$in": ["$ssn", [marked("a"), marked("$b"), "$other_ssn"]] },
    );
    marked_condition(
        rawdoc! { "$in": ["$ssn", { "$literal": ["a"] }] },
        rawdoc! { "$in": ["$ssn", [marked("a")]] },
    );
    marked_condition(
        rawdoc! { "$cond": [{ "$and": [{ "$eq": ["$ssn", "a"] }, "$x"] }, 1, 2] },
        rawdoc! { "$cond": [{ "$and": [{ "$eq": ["$ssn", marked("a")] }, "$x"] }, 1, 2] },
    );
    stays(vec![rawdoc! { "$set": { "n": { "$eq": ["$ssn", "$other_ssn"] } } }]);
    stays(vec![rawdoc! { "$set": { "n": { "$concat": ["$x", "a"] } } }]);
}

#[test]
fn expressions_that_cannot_work_on_ciphertext_are_refused() {
    let reference = "Invalid reference to an encrypted field within aggregate expression";
    let cases = [
        (rawdoc! { "$eq": ["$ssn", "$x"] }, "Comparison disallowed between encrypted fields and"),
        (rawdoc! { "$eq": ["$ssn", "$age"] }, "not encrypted alike"),
        (rawdoc! { "$eq": ["$ssn", { "$toUpper": "a" }] }, "non-constant expressions"),
        (rawdoc! { "$eq": ["$ssn", "$$v"] }, "non-constant expressions; field 'ssn'"),
        (rawdoc! { "$eq": ["$ssn", bson::RawBson::Null] }, "Illegal equality to null"),
        (rawdoc! { "$eq": ["$ssn", 5] }, "Cannot encrypt element of type: int"),
        (rawdoc! { "$eq": ["$secret", "a"] }, "randomized encryption algorithm"),
        (rawdoc! { "$eq": ["$secret", "$secret"] }, "randomized encryption algorithm"),
        (rawdoc! { "$eq": ["$pay", 1] }, reference),
        (rawdoc! { "$eq": [{ "n": "$ssn" }, { "n": "v" }] }, reference),
        (rawdoc! { "$eq": ["$$ROOT", 1] }, reference),
        (rawdoc! { "$in": ["$ssn", "$list"] }, "non-constant expressions"),
        (rawdoc! { "$in": ["$ssn", ["$x"]] }, "non-constant expressions"),
        (rawdoc! { "$in": ["$ssn", [bson::RawBson::Null]] }, "Illegal equality to null inside $in"),
        (rawdoc! { "$in": ["a", "$ssn"] }, reference),
        (rawdoc! { "$in": ["a", ["$ssn"]] }, reference),
        (rawdoc! { "$let": { "vars": { "v": "$ssn" }, "in": "$$v" } }, reference),
        (rawdoc! { "$let": { "vars": { "CURRENT": "$x" }, "in": "$ssn" } }, "$$CURRENT"),
        (rawdoc! { "$getField": "ssn" }, reference),
        (rawdoc! { "$getField": { "field": "ssn", "input": "$$ROOT" } }, reference),
        (rawdoc! { "$objectToArray": "$$ROOT" }, reference),
        (rawdoc! { "$map": { "input": ["$ssn"], "in": "$$this" } }, reference),
        (rawdoc! { "$filter": { "input": "$x", "as": "CURRENT", "cond": "$ssn" } }, "$$CURRENT"),
        (rawdoc! { "$gt": ["$age", 5] }, reference),
        (rawdoc! { "$add": ["$age", 5] }, reference),
        (rawdoc! { "$concat": ["a", "$ssn.x"] }, "contains an encrypted path prefix"),
        (
            rawdoc! { "$sum": { "$cond": [{ "$ifNull": ["$ssn", bson::RawBson::Null] }, 1, 0] } },
            "Invalid reference to an encrypted field within aggregate expression: ssn",
        ),
        (
            rawdoc! { "$encStrStartsWith": { "input": "$x", "prefix": "a" } },
            "$encStrStartsWith is not allowed",
        ),
        (rawdoc! { "$function": { "body": "f", "args": [], "lang": "js" } }, "$function is not"),
    ];
    for (expression, text) in cases {
        refused(vec![rawdoc! { "$set": { "n": expression } }], text);
    }
}

#[test]
fn groups_by_deterministic_fields_are_right() {
    leaves_encrypted(vec![rawdoc! { "$group": { "_id": "$ssn" } }], "_id");
    leaves_encrypted(vec![rawdoc! { "$group": { "_id": { "n": "$ssn" } } }], "_id.n");
    leaves_encrypted(vec![rawdoc! { "$sortByCount": "$ssn" }], "_id");
    leaves_plain(vec![rawdoc! { "$group": { "_id": "$x" } }], "ssn");
    let counts =
        run(vec![rawdoc! { "$group": { "_id": null, "n": { "$sum": 1 }, "c": { "$count": {} } } }]);
    assert_eq!(
        counts.unwrap(),
        [rawdoc! { "$group": {
            "_id": { "$const": null }, "n": { "$sum": { "$const": 1 } }, "c": { "$count": {} },
        } }]
    );
    stays(vec![
        rawdoc! { "$group": { "_id": { "$const": 1 }, "all": { "$push": "$secret" }, "set": { "$addToSet": "$ssn" } } },
    ]);
    stays(vec![rawdoc! { "$group": {
        "_id": { "$const": 1 },
        "top": { "$top": { "output": "$x", "sortBy": { "x": 1 } } },
    } }]);
    let text = "which is encrypted with the random algorithm or whose encryption properties are \
                not known until runtime";
    refused(vec![rawdoc! { "$group": { "_id": "$secret" } }], text);
    refused(
        vec![rawdoc! { "$group": { "_id": { "value": "$secret" } } }],
        "Cannot group on field '_id.value' which is encrypted",
    );
    refused(vec![rawdoc! { "$group": { "_id": "$pay" } }], text);
    refused(
        vec![rawdoc! { "$group": { "_id": 1, "a": { "$push": "$ssn" } } }, equals("a")],
        "Invalid match expression operator on path 'a'",
    );
    for accumulator in ["$sum", "$avg", "$min", "$max", "$first", "$last", "$stdDevPop"] {
        let mut call = RawDocumentBuf::new();
        call.append(bson::raw::CString::try_from(accumulator).unwrap(), "$age");
        refused(
            vec![rawdoc! { "$group": { "_id": 1, "a": call } }],
            &format!("Accumulator '{accumulator}' cannot aggregate encrypted fields."),
        );
    }
    refused(
        vec![rawdoc! { "$group": { "_id": 1, "a": { "$addToSet": "$secret" } } }],
        "Accumulator '$addToSet' cannot aggregate encrypted fields.",
    );
    refused(
        vec![
            rawdoc! { "$group": { "_id": 1, "a": { "$top": { "output": "$x", "sortBy": { "ssn": 1 } } } } },
        ],
        "Cannot sort by field 'ssn'",
    );
    refused(vec![rawdoc! { "$group": { "_id": 1, "a": { "$frob": 1 } } }], "'$frob'");
    refused(
        vec![rawdoc! { "$bucket": { "groupBy": "$age", "boundaries": [1, 2] } }],
        "Invalid reference",
    );
    stays(vec![
        rawdoc! { "$bucketAuto": { "groupBy": "$x", "buckets": 3, "output": { "a": { "$push": "$ssn" } } } },
    ]);
}

#[test]
fn joins_are_marked_by_the_schema_of_the_other_collection() {
    let lookup = |filter: RawDocumentBuf| {
        rawdoc! { "$lookup": {
            "from": "orders", "pipeline": [{ "$match": filter }], "as": "matched",
        } }
    };
    assert_eq!(
        run(vec![lookup(rawdoc! { "customer_ssn": "a", "ssn": "b" })]).unwrap(),
        [lookup(rawdoc! { "$and": [
            { "customer_ssn": { "$eq": marked("a") } },
            { "ssn": { "$eq": "b" } },
        ] })]
    );
    let plain = rawdoc! { "$lookup": { "from": "orders", "localField": "x", "foreignField": "y", "as": "matched" } };
    stays(vec![plain.clone()]);
    leaves_unknown(vec![plain.clone()], "matched.customer_ssn");
    leaves_encrypted(
        vec![plain.clone(), rawdoc! { "$unwind": "$matched" }],
        "matched.customer_ssn",
    );
    stays(vec![rawdoc! { "$lookup": {
        "from": "orders", "localField": "ssn", "foreignField": "customer_ssn", "as": "matched",
    } }]);
    refused(
        vec![
            rawdoc! { "$lookup": { "from": "orders", "localField": "ssn", "foreignField": "x", "as": "m" } },
        ],
        "'localField' cannot name field 'ssn'",
    );
    refused(
        vec![
            rawdoc! { "$lookup": { "from": "orders", "localField": "x", "foreignField": "price", "as": "m" } },
        ],
        "'foreignField' cannot name field 'price'",
    );
    refused(
        vec![
            rawdoc! { "$lookup": { "from": "nowhere", "localField": "x", "foreignField": "x", "as": "m" } },
        ],
        "Missing encryption schema for namespace: db.nowhere",
    );
    refused(
        vec![
            rawdoc! { "$lookup": { "from": "orders", "let": { "v": "$x" }, "pipeline": [], "as": "m" } },
        ],
        "Non-empty 'let' field is not allowed in the $lookup aggregation stage over an encrypted",
    );
    refused(
        vec![
            rawdoc! { "$lookup": { "from": "orders", "localField": "x", "foreignField": "x", "as": "pay" } },
        ],
        "'as' cannot name field 'pay'",
    );
    refused(
        vec![rawdoc! { "$lookup": { "from": "orders", "pipeline": [{ "$out": "x" }], "as": "m" } }],
        "Aggregation stage $out is not allowed or supported with automatic encryption.",
    );
}

#[test]
fn a_plain_collection_may_join_an_encrypted_one() {
    let stage = |value: bson::RawBson| {
        rawdoc! { "$lookup": {
            "from": "people", "pipeline": [{ "$match": { "ssn": value } }], "as": "m",
        } }
    };
    assert_eq!(
        run_on("plain", vec![stage("a".into())]).unwrap(),
        [stage(rawdoc! { "$eq": marked("a") }.into())]
    );
}

#[test]
fn a_collection_may_search_itself() {
    let search = |from: &str, filter: RawDocumentBuf| {
        rawdoc! { "$graphLookup": {
            "from": from, "startWith": "$x", "connectFromField": "x", "connectToField": "y",
            "as": "found", "depthField": "depth", "restrictSearchWithMatch": filter,
        } }
    };
    assert_eq!(
        run(vec![search("people", rawdoc! { "ssn": "a" })]).unwrap(),
        [search("people", rawdoc! { "ssn": { "$eq": marked("a") } })]
    );
    refused(vec![search("orders", rawdoc! {})], "$graphLookup with automatic encryption");
    refused(
        vec![rawdoc! { "$graphLookup": {
            "from": "people", "startWith": "$ssn", "connectFromField": "x", "connectToField": "y", "as": "f",
        } }],
        "Invalid reference",
    );
    refused(
        vec![rawdoc! { "$graphLookup": {
            "from": "people", "startWith": "$x", "connectFromField": "ssn", "connectToField": "y", "as": "f",
        } }],
        "'connectFromField' cannot name field 'ssn'",
    );
}

#[test]
fn stages_that_are_not_allowed_are_named() {
    for stage in [
        "$facet",
        "$unionWith",
        "$out",
        "$merge",
        "$planCacheStats",
        "$currentOp",
        "$changeStream",
        "$setWindowFields",
        "$densify",
        "$fill",
        "$documents",
        "$search",
        "$vectorSearch",
        "$listSampledQueries",
    ] {
        let mut document = RawDocumentBuf::new();
        document.append(bson::raw::CString::try_from(stage).unwrap(), rawdoc! {});
        refused(
            vec![document],
            &format!(
                "Aggregation stage {stage} is not allowed or supported with automatic encryption."
            ),
        );
    }
    let error = run(vec![rawdoc! { "$frob": {} }]).unwrap_err();
    assert_eq!(error.code(), 40324);
    assert_eq!(run(vec![rawdoc! {}]).unwrap_err().code(), 40323);
}

#[test]
fn stages_with_their_own_rules_keep_them() {
    refused(vec![rawdoc! { "$sort": { "ssn": 1 } }], "Cannot sort by field 'ssn'");
    refused(vec![rawdoc! { "$unwind": "$ssn" }], "Invalid reference");
    refused(
        vec![rawdoc! { "$redact": { "$cond": [{ "$eq": ["$ssn", "a"] }, "$$PRUNE", "$$KEEP"] } }],
        "Invalid reference",
    );
    refused(
        vec![rawdoc! { "$redact": { "$cond": [{ "$eq": ["$amount", 1] }, "$$PRUNE", "$$KEEP"] } }],
        "Invalid reference",
    );
    assert_eq!(
        run(vec![rawdoc! { "$geoNear": { "near": [1, 1], "distanceField": "d", "query": { "ssn": "a" } } }])
            .unwrap(),
        [rawdoc! { "$geoNear": { "near": [1, 1], "distanceField": "d", "query": { "ssn": { "$eq": marked("a") } } } }]
    );
    refused(
        vec![rawdoc! { "$geoNear": { "near": [1, 1], "distanceField": "pay", "query": {} } }],
        "'distanceField' cannot name field 'pay.amount'",
    );
    leaves_plain(vec![rawdoc! { "$count": "n" }], "ssn");
    leaves_plain(vec![rawdoc! { "$collStats": { "count": {} } }], "ssn");
}

#[test]
fn a_collation_that_text_is_grouped_by_is_refused() {
    let command = rawdoc! {
        "aggregate": "people",
        "pipeline": [{ "$group": { "_id": "$ssn" } }],
        "cursor": {},
        "collation": { "locale": "fr" },
    };
    let error = analyze(&command, "db", &schemas()).unwrap_err();
    assert!(matches!(error, AnalyzeError::Collation { .. }), "{error}");
}
