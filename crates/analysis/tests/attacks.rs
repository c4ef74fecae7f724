//! Commands made to carry the plaintext of an encrypted field past analysis.
//!
//! `SECRET` stands where it is a value of an encrypted field, or is compared with one. Each command
//! must be refused, or leave with the text in markings only.
#![expect(clippy::unwrap_used, reason = "a failure in a test's helper is a failed test")]

use std::sync::Arc;

use bson::{Binary, Bson, Document, RawDocumentBuf, doc, spec::BinarySubtype};
use fieldveil_analysis::{EncryptionSchema, SchemaOrigin, SchemaSet, analyze};

const SECRET: &str = "SECRET";

fn field(algorithm: &str) -> Document {
    let key = Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] };
    let algorithm = format!("AEAD_AES_256_CBC_HMAC_SHA_512-{algorithm}");
    doc! { "encrypt": { "algorithm": algorithm, "keyId": [key], "bsonType": "string" } }
}

fn schema() -> Document {
    doc! {
        "bsonType": "object",
        "properties": {
            "ssn": field("Deterministic"),
            "other": field("Deterministic"),
            "random": field("Random"),
            "obj": {
                "bsonType": "object",
                "properties": { "ssn": field("Deterministic"), "0": field("Deterministic") },
            },
        },
        "patternProperties": { "^s_": field("Deterministic") },
    }
}

/// Collections `c` and `d` have encrypted fields, `plain` has none.
fn schemas() -> SchemaSet {
    let raw = RawDocumentBuf::try_from(schema()).unwrap();
    let compiled = Arc::new(EncryptionSchema::parse(&raw, SchemaOrigin::Local).unwrap());
    let mut set = SchemaSet::new();
    set.insert("db.c", Arc::clone(&compiled));
    set.insert("db.d", compiled);
    set.insert("db.plain", Arc::new(EncryptionSchema::empty()));
    set
}

/// Whether the text stands anywhere but in a marking.
fn is_visible(value: &Bson) -> bool {
    match value {
        Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => {
            text.contains(SECRET)
        }
        Bson::Array(items) => items.iter().any(is_visible),
        Bson::Document(document) => {
            document.iter().any(|(name, value)| name.contains(SECRET) || is_visible(value))
        }
        Bson::RegularExpression(regex) => regex.pattern.as_str().contains(SECRET),
        _ => false,
    }
}

#[track_caller]
fn fails(command: &Document) {
    let raw = RawDocumentBuf::try_from(command.clone()).unwrap();
    fails_raw(&raw);
}

#[track_caller]
fn fails_raw(command: &bson::RawDocument) {
    if let Ok(analysis) = analyze(command, "db", &schemas()) {
        let sent = Document::try_from(analysis.command).unwrap();
        assert!(!is_visible(&Bson::Document(sent.clone())), "{command:?} leaves as {sent}");
    }
}

#[track_caller]
fn filters_fail(filters: Vec<Document>) {
    for filter in filters {
        fails(&doc! { "find": "c", "filter": filter.clone() });
        fails(&doc! { "find": "c", "filter": { "$nor": [{ "$and": [filter.clone()] }] } });
        fails(&doc! { "aggregate": "c", "pipeline": [{ "$match": filter.clone() }] });
        fails(&doc! { "delete": "c", "deletes": [{ "q": filter.clone(), "limit": 1 }] });
        fails(&doc! { "update": "c", "updates": [
            { "q": filter.clone(), "u": { "$set": { "x": 1 } }, "upsert": true },
        ] });
        fails(&doc! { "explain": { "count": "c", "query": filter.clone() } });
        fails(&doc! { "createIndexes": "c", "indexes": [
            { "key": { "x": 1 }, "name": "x", "partialFilterExpression": filter.clone() },
        ] });
        fails(&doc! { "aggregate": "plain", "pipeline": [{ "$lookup": {
            "from": "c", "pipeline": [{ "$match": filter }], "as": "x",
        } }] });
    }
}

#[track_caller]
fn updates_fail(updates: Vec<Document>) {
    for update in updates {
        fails(&doc! { "update": "c", "updates": [{ "q": {}, "u": update.clone() }] });
        fails(&doc! { "update": "c", "updates": [
            { "q": { "arr": 1 }, "u": update.clone(), "upsert": true, "multi": true },
        ] });
        fails(&doc! { "findAndModify": "c", "query": {}, "update": update });
    }
}

#[track_caller]
fn pipelines_fail(pipelines: Vec<Vec<Document>>) {
    for pipeline in pipelines {
        fails(&doc! { "aggregate": "c", "pipeline": pipeline.clone(), "cursor": {} });
        fails(&doc! { "aggregate": "plain", "pipeline": [{ "$lookup": {
            "from": "c", "pipeline": pipeline, "as": "x",
        } }] });
    }
}

/// Expressions that compare an encrypted field with the text.
fn comparisons() -> Vec<Document> {
    let get = doc! { "$getField": { "field": "ssn", "input": "$$ROOT" } };
    vec![
        doc! { "$eq": ["$ssn", SECRET] },
        doc! { "$ne": [{ "$literal": SECRET }, "$$ROOT.ssn"] },
        doc! { "$eq": ["$$CURRENT.obj.ssn", SECRET] },
        doc! { "$eq": ["$obj.0", SECRET] },
        doc! { "$eq": ["$s_x", SECRET] },
        doc! { "$cmp": ["$ssn", SECRET] },
        doc! { "$gte": ["$ssn", SECRET] },
        doc! { "$in": ["$ssn", [SECRET]] },
        doc! { "$in": [SECRET, ["$ssn"]] },
        doc! { "$in": ["$ssn", { "$concatArrays": [[SECRET], []] }] },
        doc! { "$in": ["$random", [SECRET]] },
        doc! { "$eq": ["$$ROOT", { "ssn": SECRET }] },
        doc! { "$eq": ["$obj", { "ssn": SECRET }] },
        doc! { "$eq": [{ "a": "$ssn" }, { "a": SECRET }] },
        doc! { "$eq": [["$ssn"], [SECRET]] },
        doc! { "$eq": [get, SECRET] },
        doc! { "$eq": [{ "$getField": "ssn" }, SECRET] },
        doc! { "$eq": [{ "$getField": { "$concat": ["s", "sn"] } }, SECRET] },
        doc! { "$eq": [{ "$first": [["$ssn"]] }, SECRET] },
        doc! { "$eq": [{ "$ifNull": ["$ssn", "x"] }, SECRET] },
        doc! { "$eq": [{ "$cond": [true, "$ssn", "x"] }, SECRET] },
        doc! { "$eq": [{ "$switch": { "branches": [{ "case": true, "then": "$ssn" }] } }, SECRET] },
        doc! { "$let": { "vars": { "x": "$ssn" }, "in": { "$eq": ["$$x", SECRET] } } },
        doc! { "$let": { "vars": { "x": SECRET }, "in": { "$eq": ["$ssn", "$$x"] } } },
        doc! { "$let": { "vars": { "CURRENT": "$obj" }, "in": { "$eq": ["$ssn", SECRET] } } },
        doc! { "$let": { "vars": { "x": "$$ROOT" }, "in": { "$eq": ["$$x.ssn", SECRET] } } },
        doc! { "$setEquals": [["$ssn"], [SECRET]] },
        doc! { "$setIsSubset": [[SECRET], ["$ssn"]] },
        doc! { "$indexOfArray": [["$ssn"], SECRET] },
        doc! { "$regexMatch": { "input": "$ssn", "regex": SECRET } },
        doc! { "$anyElementTrue": { "$map": { "input": ["$ssn"], "in": { "$eq": ["$$this", SECRET] } } } },
        doc! { "$map": { "input": [1], "as": "CURRENT", "in": { "$eq": ["$ssn", SECRET] } } },
        doc! { "$filter": { "input": ["$$ROOT"], "cond": { "$eq": ["$$this.ssn", SECRET] } } },
        doc! { "$reduce": { "input": ["$ssn"], "initialValue": SECRET, "in": { "$eq": ["$$this", "$$value"] } } },
        doc! { "$eq": [{ "$arrayElemAt": [{ "$objectToArray": "$$ROOT" }, 1] }, { "k": "ssn", "v": SECRET }] },
        doc! { "$eq": [{ "$setField": { "field": "a", "input": "$$ROOT", "value": 1 } }, { "ssn": SECRET }] },
        doc! { "$eq": [{ "$mergeObjects": ["$obj", {}] }, { "ssn": SECRET }] },
        doc! { "$function": { "body": "f", "args": ["$ssn", SECRET], "lang": "js" } },
        doc! { "$not": { "$or": [{ "$and": [{ "$eq": ["$ssn", SECRET] }] }] } },
    ]
}

#[test]
fn filters_keep_the_secret() {
    filters_fail(vec![
        doc! { "ssn": SECRET },
        doc! { "s_x": { "$nin": [SECRET] } },
        doc! { "random": SECRET },
        doc! { "random": { "$in": [SECRET] } },
        doc! { "obj.ssn": { "$not": { "$eq": SECRET } } },
        doc! { "obj.0": SECRET },
        doc! { "obj.0.ssn": SECRET },
        doc! { "obj.ssn.0": SECRET },
        doc! { "ssn.": SECRET },
        doc! { "obj": { "ssn": SECRET } },
        doc! { "obj": { "$in": [{ "ssn": SECRET }] } },
        doc! { "obj": { "$elemMatch": { "ssn": SECRET } } },
        doc! { "obj": { "$all": [{ "$elemMatch": { "ssn": SECRET } }] } },
        doc! { "obj": { "$gt": { "ssn": SECRET } } },
        doc! { "ssn": { "$elemMatch": { "$eq": SECRET } } },
        doc! { "ssn": { "$all": [SECRET] } },
        doc! { "ssn": { "$gt": SECRET } },
        doc! { "ssn": { "$regex": SECRET } },
        doc! { "ssn": { "$not": { "$regex": SECRET } } },
        doc! { "ssn": { "$in": [{ "$ref": "c", "$id": SECRET }] } },
        doc! { "ssn": { "$ref": "c", "$id": SECRET } },
        doc! { "ssn": [SECRET] },
        doc! { "ssn": { "a": SECRET } },
        doc! { "ssn": { "$geoWithin": { "$center": SECRET } } },
        doc! { "arr": { "$elemMatch": { "$expr": { "$eq": ["$ssn", SECRET] } } } },
        doc! { "arr": { "$elemMatch": { "a": 1, "$or": [{ "$expr": { "$eq": ["$ssn", SECRET] } }] } } },
        doc! { "arr": { "$elemMatch": { "$where": format!("this.ssn == '{SECRET}'") } } },
        doc! { "arr": { "$not": { "$elemMatch": { "$expr": { "$eq": ["$ssn", SECRET] } } } } },
        doc! { "arr": { "$all": [{ "$elemMatch": { "$expr": { "$eq": ["$ssn", SECRET] } } }] } },
        doc! { "$jsonSchema": { "properties": { "ssn": { "enum": [SECRET] } } } },
        doc! { "$where": format!("this.ssn == '{SECRET}'") },
        doc! { "$text": { "$search": SECRET } },
    ]);
}

#[test]
fn expressions_keep_the_secret() {
    for comparison in comparisons() {
        filters_fail(vec![doc! { "$expr": comparison.clone() }]);
        fails(&doc! { "find": "c", "projection": { "x": comparison.clone() } });
        fails(&doc! { "find": "c", "projection": { "a": { "b": comparison.clone() } } });
        pipelines_fail(vec![
            vec![doc! { "$project": { "x": comparison.clone() } }],
            vec![doc! { "$addFields": { "a": { "b": [comparison.clone()] } } }],
            vec![doc! { "$replaceWith": { "x": comparison.clone() } }],
            vec![doc! { "$group": { "_id": comparison.clone() } }],
            vec![doc! { "$group": { "_id": 1, "x": { "$push": { "y": comparison.clone() } } } }],
            vec![doc! { "$sortByCount": comparison.clone() }],
            vec![doc! { "$bucketAuto": { "groupBy": comparison.clone(), "buckets": 2 } }],
            vec![doc! { "$redact": { "$cond": [comparison.clone(), "$$KEEP", "$$DESCEND"] } }],
            vec![doc! { "$graphLookup": {
                "from": "c", "startWith": comparison, "connectFromField": "x",
                "connectToField": "y", "as": "z",
            } }],
        ]);
    }
}

#[test]
fn variables_keep_the_secret() {
    let filter = doc! { "$expr": { "$eq": ["$ssn", "$$x"] } };
    fails(&doc! { "find": "c", "filter": filter.clone(), "let": { "x": SECRET } });
    fails(
        &doc! { "delete": "c", "deletes": [{ "q": filter.clone(), "limit": 0 }], "let": { "x": SECRET } },
    );
    fails(&doc! { "update": "c", "updates": [
        { "q": filter.clone(), "u": { "$set": { "x": 1 } }, "c": { "x": SECRET } },
    ] });
    fails(&doc! { "update": "c", "updates": [{ "q": {}, "u": [{ "$set": { "ssn": SECRET } }] }] });
    for (from, into) in [("c", "plain"), ("plain", "c"), ("c", "d")] {
        fails(&doc! { "aggregate": from, "pipeline": [{ "$lookup": {
            "from": into, "let": { "x": SECRET }, "pipeline": [{ "$match": filter.clone() }], "as": "y",
        } }] });
    }
    fails(&doc! { "aggregate": "plain", "pipeline": [{ "$lookup": {
        "from": "plain", "let": { "x": SECRET }, "as": "y", "pipeline": [{ "$lookup": {
            "from": "c", "pipeline": [{ "$match": filter }], "as": "z",
        } }],
    } }] });
}

#[test]
fn updates_keep_the_secret() {
    updates_fail(vec![
        doc! { "ssn": SECRET },
        doc! { "obj": { "ssn": SECRET } },
        doc! { "obj": [{ "ssn": SECRET }] },
        doc! { "obj.ssn": SECRET },
        doc! { "x": 1, "$set": { "ssn": SECRET } },
        doc! { "$set": { "ssn": SECRET, "s_new": SECRET } },
        doc! { "$set": { "obj": { "ssn": SECRET } } },
        doc! { "$set": { "obj": { "a": 1, "ssn": [SECRET] } } },
        doc! { "$set": { "obj.0": SECRET } },
        doc! { "$set": { "obj.0.ssn": SECRET } },
        doc! { "$set": { "obj.$[].ssn": SECRET } },
        doc! { "$set": { "obj.$.ssn": SECRET } },
        doc! { "$set": { "ssn.$": SECRET } },
        doc! { "$set": { "ssn.x": SECRET } },
        doc! { "$setOnInsert": { "ssn": SECRET } },
        doc! { "$setOnInsert": { "obj": { "ssn": SECRET } } },
        doc! { "$unset": { "ssn": SECRET } },
        doc! { "$unset": { "obj": { "ssn": SECRET } } },
        doc! { "$rename": { "ssn": SECRET } },
        doc! { "$push": { "ssn": SECRET } },
        doc! { "$push": { "obj": { "ssn": SECRET } } },
        doc! { "$addToSet": { "random": { "$each": [SECRET] } } },
        doc! { "$pull": { "ssn": { "$in": [SECRET] } } },
        doc! { "$pull": { "obj": { "ssn": SECRET } } },
        doc! { "$pull": { "arr": { "$expr": { "$eq": ["$ssn", SECRET] } } } },
        doc! { "$pull": { "arr": { "a": { "$elemMatch": { "$expr": { "$eq": ["$ssn", SECRET] } } } } } },
        doc! { "$pullAll": { "ssn": [SECRET] } },
        doc! { "$min": { "ssn": SECRET } },
        doc! { "$max": { "obj": { "ssn": SECRET } } },
        doc! { "$currentDate": { "ssn": { "$type": SECRET } } },
        doc! { "$set": { "x": 1 }, "ssn": SECRET },
    ]);
    for filters in [
        doc! { "i.x": 1, "$expr": { "$eq": ["$ssn", SECRET] } },
        doc! { "i": { "$elemMatch": { "$expr": { "$eq": ["$ssn", SECRET] } } } },
        doc! { "ssn": SECRET },
    ] {
        fails(&doc! { "update": "c", "updates": [
            { "q": {}, "u": { "$set": { "arr.$[i].y": 1 } }, "arrayFilters": [filters.clone()] },
        ] });
        fails(&doc! { "findAndModify": "c", "update": { "ssn": "x" }, "arrayFilters": [filters] });
    }
}

#[test]
fn stages_keep_the_secret() {
    let equals = |path: &str| doc! { "$match": { path: SECRET } };
    pipelines_fail(vec![
        vec![doc! { "$addFields": { "x": "$ssn" } }, equals("x")],
        vec![doc! { "$addFields": { "x.y": "$ssn" } }, equals("x.y")],
        vec![doc! { "$addFields": { "x": "$$ROOT" } }, equals("x.obj.ssn")],
        vec![doc! { "$project": { "x": ["$ssn"] } }, equals("x")],
        vec![doc! { "$project": { "x": ["$ssn"] } }, equals("x.0")],
        vec![doc! { "$project": { "x": ["$ssn"] } }, doc! { "$unwind": "$x" }, equals("x")],
        vec![doc! { "$replaceRoot": { "newRoot": "$obj" } }, equals("ssn")],
        vec![doc! { "$replaceWith": { "$mergeObjects": ["$obj", "$$ROOT"] } }, equals("ssn")],
        vec![doc! { "$replaceWith": { "a": "$$ROOT" } }, equals("a.s_x")],
        vec![doc! { "$group": { "_id": "$ssn" } }, equals("_id")],
        vec![doc! { "$group": { "_id": { "a": "$ssn" } } }, equals("_id.a")],
        vec![doc! { "$group": { "_id": 1, "x": { "$push": "$ssn" } } }, equals("x")],
        vec![doc! { "$group": { "_id": 1, "x": { "$first": "$ssn" } } }, equals("x")],
        vec![doc! { "$group": { "_id": 1, "x": { "$addToSet": "$$ROOT" } } }, equals("x.ssn")],
        vec![
            doc! { "$group": { "_id": 1, "x": { "$top": { "output": "$ssn", "sortBy": { "x": 1 } } } } },
            equals("x"),
        ],
        vec![doc! { "$sortByCount": "$ssn" }, equals("_id")],
        vec![doc! { "$bucket": { "groupBy": "$ssn", "boundaries": ["A", SECRET] } }],
        vec![
            doc! { "$lookup": { "from": "d", "localField": "x", "foreignField": "x", "as": "y" } },
            equals("y.ssn"),
        ],
        vec![doc! { "$lookup": { "from": "d", "pipeline": [equals("ssn")], "as": "y" } }],
        vec![
            doc! { "$lookup": { "from": "d", "pipeline": [], "as": "y" } },
            doc! { "$unwind": "$y" },
            equals("y.ssn"),
        ],
        vec![
            doc! { "$lookup": { "from": { "db": "db", "coll": "d" }, "pipeline": [equals("ssn")], "as": "y" } },
        ],
        vec![doc! { "$graphLookup": {
            "from": "c", "startWith": SECRET, "connectFromField": "x", "connectToField": "ssn", "as": "y",
        } }],
        vec![doc! { "$graphLookup": {
            "from": "c", "startWith": "$x", "connectFromField": "x", "connectToField": "y", "as": "y",
            "restrictSearchWithMatch": { "ssn": SECRET },
        } }],
        vec![
            doc! { "$geoNear": { "near": [0, 0], "distanceField": "x", "query": { "ssn": SECRET } } },
        ],
        vec![doc! { "$unionWith": { "coll": "d", "pipeline": [equals("ssn")] } }],
        vec![doc! { "$facet": { "x": [equals("ssn")] } }],
        vec![doc! { "$merge": { "into": "d", "let": { "x": SECRET }, "whenMatched": [] } }],
        vec![doc! { "$fill": { "output": { "ssn": { "value": SECRET } } } }],
        vec![
            doc! { "$densify": { "field": "ssn", "range": { "step": 1, "bounds": [SECRET, "X"] } } },
        ],
        vec![doc! { "$documents": [{ "ssn": SECRET }] }, equals("ssn")],
        vec![
            doc! { "$setWindowFields": { "output": { "x": { "$shift": { "output": "$ssn", "by": 1, "default": SECRET } } } } },
        ],
        vec![doc! { "$search": { "text": { "query": SECRET, "path": "ssn" } } }],
    ]);
}

#[test]
fn options_keep_the_secret() {
    for command in [
        doc! { "find": "c", "min": { "ssn": SECRET }, "hint": { "ssn": 1 } },
        doc! { "find": "c", "max": { "obj": { "ssn": SECRET } }, "hint": { "obj": 1 } },
        doc! { "find": "c", "hint": { "ssn": SECRET } },
        doc! { "aggregate": "c", "pipeline": [], "hint": { "obj.ssn": SECRET } },
        doc! { "delete": "c", "deletes": [{ "q": {}, "limit": 1, "hint": { "s_x": SECRET } }] },
        doc! { "update": "c", "updates": [{ "q": {}, "u": { "$set": { "x": 1 } }, "hint": { "ssn": SECRET } }] },
        doc! { "find": "c", "sort": { "ssn": { "$meta": SECRET, "x": SECRET } } },
        doc! { "find": "c", "projection": { "ssn": { "$elemMatch": { "$eq": SECRET } } } },
        doc! { "find": "c", "projection": { "arr": { "$elemMatch": { "$expr": { "$eq": ["$ssn", SECRET] } } } } },
        doc! { "count": "c", "fields": { "ssn": { "$eq": ["$ssn", SECRET] } } },
        doc! { "distinct": "c", "key": "x", "query": { "ssn": SECRET } },
        doc! { "createIndexes": "c", "indexes": [{ "key": { "ssn": SECRET }, "name": "x" }] },
        doc! { "create": "c", "validator": { "ssn": SECRET } },
        doc! { "collMod": "c", "validator": { "$expr": { "$eq": ["$ssn", SECRET] } } },
        doc! { "create": "c", "viewOn": "d", "pipeline": [{ "$match": { "ssn": SECRET } }] },
        doc! { "explain": { "find": "c" }, "filter": { "ssn": SECRET } },
        doc! { "explain": { "explain": { "find": "c", "filter": { "ssn": SECRET } } } },
        doc! { "bulkWrite": 1, "ops": [{ "insert": 0, "document": { "ssn": SECRET } }], "nsInfo": [{ "ns": "db.c" }] },
        doc! { "mapReduce": "c", "query": { "ssn": SECRET } },
    ] {
        fails(&command);
    }
    let list = doc! { "properties": { "ssn": { "enum": [SECRET] } } };
    for (name, aside) in [
        ("anyOf", Bson::from([list.clone()].to_vec())),
        ("not", list.clone().into()),
        ("dependencies", doc! { "x": list }.into()),
        ("enum", [doc! { "ssn": SECRET }].to_vec().into()),
        ("allOf", [doc! { "patternProperties": { "s": { "pattern": SECRET } } }].to_vec().into()),
        ("oneOf", [doc! { "additionalProperties": { "enum": [SECRET] } }].to_vec().into()),
    ] {
        let mut schema = schema();
        schema.insert(name, aside);
        fails(&doc! { "create": "c", "validator": { "$jsonSchema": schema } });
    }
}

/// Documents in which a name stands twice: a server may read either.
#[test]
fn doubled_names_keep_the_secret() {
    let equals = bson::rawdoc! { "$match": { "ssn": SECRET } };
    let lookups = [
        bson::rawdoc! { "from": "plain", "pipeline": [equals.clone()], "as": "x", "from": "c" },
        bson::rawdoc! { "from": "c", "pipeline": [equals.clone()], "as": "x", "from": "plain" },
    ];
    for lookup in lookups {
        let pipeline = [bson::rawdoc! { "$lookup": lookup }];
        fails_raw(
            &bson::rawdoc! { "aggregate": "c", "pipeline": bson::RawArrayBuf::from_iter(pipeline) },
        );
    }
    let stages = [
        bson::rawdoc! { "$unwind": { "path": "$x", "path": "$ssn" } },
        bson::rawdoc! { "$group": { "_id": 1, "x": { "$push": "$ssn" }, "x": { "$sum": 1 } } },
        bson::rawdoc! { "$replaceRoot": { "newRoot": { "x": "$ssn" }, "newRoot": "$plain" } },
        bson::rawdoc! { "$project": { "x": "$ssn", "x": 1 } },
        bson::rawdoc! { "$addFields": { "x": "$ssn", "x": "$plain" } },
    ];
    for stage in stages {
        let filter = bson::rawdoc! { "$match": { "x": SECRET } };
        let command = bson::rawdoc! { "aggregate": "c", "pipeline": [stage, filter] };
        assert!(analyze(&command, "db", &schemas()).is_err(), "{command:?}");
    }
    let filter = bson::rawdoc! { "ssn": SECRET };
    let explain = bson::rawdoc! { "find": "c", "filter": filter.clone() };
    fails_raw(&bson::rawdoc! { "explain": { "find": "c" }, "explain": explain });
    fails_raw(&bson::rawdoc! { "find": "c", "filter": {}, "filter": filter.clone() });
    fails_raw(&bson::rawdoc! { "update": "c", "updates": [{ "q": {}, "q": filter, "u": {} }] });
    fails_raw(&bson::rawdoc! { "insert": "c", "documents": [{ "ssn": "x", "ssn": SECRET }] });
    let set = bson::rawdoc! { "$set": { "x": 1 }, "$set": { "ssn": SECRET } };
    fails_raw(&bson::rawdoc! { "update": "c", "updates": [{ "q": {}, "u": set }] });
}
