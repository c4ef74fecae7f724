//! For random schemas and commands: what is encrypted leaves in no other form than a marking.
//!
//! The tests decide for themselves which constant of a command belongs to an encrypted field, by
//! the plainest reading of the schema, and then look for its bytes in the rewritten command with
//! the markings taken out. Every constant is a text of its own.
#![expect(clippy::unwrap_used, reason = "a failure in a test's helper is a failed test")]

use std::{collections::BTreeMap, sync::Arc};

use bson::{Binary, Bson, Document, RawDocumentBuf, doc, spec::BinarySubtype};
use fieldveil_analysis::{EncryptionSchema, SchemaOrigin, SchemaSet, analyze, analyze_request};
use proptest::prelude::*;

const DETERMINISTIC: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
const RANDOM: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Random";
const NAMES: [&str; 6] = ["a", "b", "c", "d", "0", "s_x"];

/// Decisions, taken from random bytes; zero once they are used up, so that everything ends.
struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// How many constants were made.
    constants: u32,
}

impl<'a> Choices<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), constants: 0 }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % limit
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    /// A text that stands nowhere else.
    fn constant(&mut self) -> String {
        self.constants += 1;
        format!("constant-{:06}-", self.constants)
    }
}

/// What the schema says, as a tree of its own.
#[derive(Debug, Clone)]
enum Field {
    Plain,
    Encrypted { is_deterministic: bool },
    Object(BTreeMap<String, Self>),
}

impl Field {
    fn random(choices: &mut Choices<'_>, depth: usize) -> Self {
        match choices.below(if depth > 0 { 6 } else { 4 }) {
            0 | 1 => Self::Plain,
            2 => Self::Encrypted { is_deterministic: true },
            3 => Self::Encrypted { is_deterministic: false },
            _ => Self::object(choices, depth - 1),
        }
    }

    fn object(choices: &mut Choices<'_>, depth: usize) -> Self {
        let count = 1 + choices.below(4);
        let fields = (0..count)
            .map(|_| (choices.pick(&NAMES).to_owned(), Self::random(choices, depth)))
            .collect();
        Self::Object(fields)
    }

    fn schema(&self) -> Document {
        let key = Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] };
        match self {
            Self::Plain => doc! {},
            Self::Encrypted { is_deterministic: true } => doc! { "encrypt": {
                "algorithm": DETERMINISTIC, "keyId": [key], "bsonType": "string",
            } },
            Self::Encrypted { is_deterministic: false } => doc! { "encrypt": {
                "algorithm": RANDOM, "keyId": [key],
            } },
            Self::Object(fields) => {
                // Names with a prefix are declared by a pattern instead.
                let (patterns, named): (Vec<_>, Vec<_>) =
                    fields.iter().partition(|(name, _)| name.starts_with("s_"));
                let properties: Document = named
                    .iter()
                    .map(|(name, field)| ((*name).clone(), field.schema().into()))
                    .collect();
                let mut schema = doc! { "bsonType": "object", "properties": properties };
                for (_, field) in patterns {
                    schema.insert("patternProperties", doc! { "^s_": field.schema() });
                }
                schema
            }
        }
    }

    fn has_secret(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Encrypted { .. } => true,
            Self::Object(fields) => fields.values().any(Self::has_secret),
        }
    }
}

/// A random value for a path, with all constants in it that must not be seen.
fn value(
    choices: &mut Choices<'_>,
    schema: &Field,
    path: &[&str],
    depth: usize,
    secrets: &mut Vec<String>,
) -> Bson {
    match choices.below(if depth > 0 { 6 } else { 3 }) {
        4 => {
            let count = choices.below(4);
            let mut document = Document::new();
            for _ in 0..count {
                let name = choices.pick(&NAMES);
                let inner: Vec<&str> = path.iter().copied().chain([literal(name)]).collect();
                let inner = value(choices, schema, &inner, depth - 1, secrets);
                document.insert(name, inner);
            }
            Bson::Document(document)
        }
        5 => {
            let count = choices.below(3);
            Bson::Array(
                (0..count).map(|_| value(choices, schema, path, depth - 1, secrets)).collect(),
            )
        }
        _ => {
            let constant = choices.constant();
            if is_secret(schema, path) {
                secrets.push(constant.clone());
            }
            Bson::String(constant)
        }
    }
}

/// Whether a scalar at the path is a value of an encrypted field: the path is one, or below one.
/// A number in a path may be an array's position, but for the first name, and for [`literal`] ones.
fn is_secret(schema: &Field, path: &[&str]) -> bool {
    fn below(schema: &Field, path: &[&str], is_first: bool) -> bool {
        match (schema, path) {
            (Field::Plain, _) | (Field::Object(_), []) => false,
            (Field::Encrypted { .. }, _) => true,
            (Field::Object(fields), [name, rest @ ..]) => {
                let declared = name.strip_prefix('=').unwrap_or(name);
                let by_name = fields.get(declared).is_some_and(|field| below(field, rest, false));
                by_name || (*name == "0" && !is_first && below(schema, rest, false))
            }
        }
    }
    below(schema, path, true)
}

/// A name inside a value, where a number is a name.
fn literal(name: &'static str) -> &'static str {
    if name == "0" { "=0" } else { name }
}

fn path(choices: &mut Choices<'_>) -> Vec<&'static str> {
    let count = 1 + choices.below(3);
    (0..count).map(|_| choices.pick(&NAMES)).collect()
}

fn predicate(
    choices: &mut Choices<'_>,
    schema: &Field,
    path: &[&str],
    secrets: &mut Vec<String>,
) -> Bson {
    let operator = choices.pick(&[
        "",
        "$eq",
        "$ne",
        "$in",
        "$nin",
        "$gt",
        "$lte",
        "$exists",
        "$not",
        "$elemMatch",
        "$all",
    ]);
    match operator {
        "" => value(choices, schema, path, 1, secrets),
        "$in" | "$nin" | "$all" => {
            let count = choices.below(3);
            let values: Vec<Bson> =
                (0..count).map(|_| value(choices, schema, path, 1, secrets)).collect();
            Bson::Document(doc! { operator: values })
        }
        "$exists" => Bson::Document(doc! { operator: true }),
        "$not" => {
            Bson::Document(doc! { "$not": { "$eq": value(choices, schema, path, 1, secrets) } })
        }
        "$elemMatch" => {
            let name = choices.pick(&NAMES);
            let inner: Vec<&str> = path.iter().copied().chain([name]).collect();
            Bson::Document(doc! { "$elemMatch": {
                name: value(choices, schema, &inner, 1, secrets),
            } })
        }
        _ => Bson::Document(doc! { operator: value(choices, schema, path, 1, secrets) }),
    }
}

fn filter(
    choices: &mut Choices<'_>,
    schema: &Field,
    depth: usize,
    secrets: &mut Vec<String>,
) -> Document {
    let mut filter = Document::new();
    for _ in 0..1 + choices.below(2) {
        match choices.below(if depth > 0 { 6 } else { 4 }) {
            4 => {
                let operator = choices.pick(&["$and", "$or", "$nor"]);
                let count = 1 + choices.below(2);
                let parts: Vec<Document> =
                    (0..count).map(|_| self::filter(choices, schema, depth - 1, secrets)).collect();
                filter.insert(operator, parts);
            }
            5 => {
                let path = path(choices);
                let operator = choices.pick(&["$eq", "$ne", "$in", "$gt"]);
                let constant = value(choices, schema, &path, 0, secrets);
                let constant =
                    if operator == "$in" { Bson::Array(vec![constant]) } else { constant };
                let reference = format!("${}", path.join("."));
                filter.insert("$expr", doc! { operator: [reference, constant] });
            }
            _ => {
                let path = path(choices);
                filter.insert(path.join("."), predicate(choices, schema, &path, secrets));
            }
        }
    }
    filter
}

fn update(choices: &mut Choices<'_>, schema: &Field, secrets: &mut Vec<String>) -> Document {
    if choices.below(4) == 0 {
        let mut whole = Document::new();
        for _ in 0..choices.below(4) {
            let name = choices.pick(&NAMES);
            whole.insert(name, value(choices, schema, &[name], 2, secrets));
        }
        return whole;
    }
    let mut update = Document::new();
    for _ in 0..1 + choices.below(2) {
        let operator = choices.pick(&[
            "$set",
            "$set",
            "$setOnInsert",
            "$unset",
            "$push",
            "$addToSet",
            "$min",
            "$pullAll",
        ]);
        let path = path(choices);
        let mut name = path.join(".");
        if choices.below(8) == 0 {
            name.push_str(".$[]");
        }
        let value = value(choices, schema, &path, 2, secrets);
        let value = if operator == "$pullAll" { Bson::Array(vec![value]) } else { value };
        update.insert(operator, doc! { name: value });
    }
    update
}

/// What a pipeline knows of a field of the first level.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flow {
    Plain,
    Encrypted,
    Unknown,
}

/// A random pipeline over a flat collection, and the constants that meet encrypted fields.
fn pipeline(
    choices: &mut Choices<'_>,
    mut flow: BTreeMap<&'static str, Flow>,
    secrets: &mut Vec<String>,
) -> Vec<Document> {
    let mut stages = Vec::new();
    let of = |flow: &BTreeMap<&'static str, Flow>, name: &str| {
        flow.get(name).copied().unwrap_or(Flow::Plain)
    };
    for _ in 0..choices.below(5) {
        let (from, to) = (choices.pick(&NAMES[..4]), choices.pick(&NAMES[..4]));
        let reference = format!("${from}");
        let stage = match choices.below(9) {
            0 => {
                let constant = choices.constant();
                if of(&flow, from) != Flow::Plain {
                    secrets.push(constant.clone());
                }
                doc! { "$match": { from: constant } }
            }
            1 => {
                flow.insert(to, of(&flow, from));
                doc! { "$addFields": { to: reference } }
            }
            2 => {
                flow = BTreeMap::from([(to, of(&flow, from))]);
                doc! { "$project": { to: reference } }
            }
            3 => {
                flow.retain(|name, _| *name == from || *name == "_id");
                doc! { "$project": { from: 1 } }
            }
            4 => {
                flow.insert(from, Flow::Plain);
                doc! { "$unset": from }
            }
            5 => {
                let state = of(&flow, from);
                let joined = if state == Flow::Plain { Flow::Plain } else { Flow::Unknown };
                flow.insert(to, joined);
                doc! { "$set": { to: { "$cond": ["$x", reference, "other"] } } }
            }
            6 => {
                flow = BTreeMap::from([("_id", of(&flow, from))]);
                doc! { "$group": { "_id": reference } }
            }
            7 => {
                flow = BTreeMap::from([(to, of(&flow, from))]);
                doc! { "$replaceWith": { to: reference } }
            }
            _ => {
                let constant = choices.constant();
                if of(&flow, from) != Flow::Plain {
                    secrets.push(constant.clone());
                }
                flow.insert(to, Flow::Plain);
                doc! { "$addFields": { to: { "$eq": [constant, reference] } } }
            }
        };
        stages.push(stage);
    }
    stages
}

/// Takes all markings out of a value.
fn without_markings(value: &mut Bson) {
    match value {
        Bson::Document(document) => document.iter_mut().for_each(|(_, v)| without_markings(v)),
        Bson::Array(items) => items.iter_mut().for_each(without_markings),
        Bson::Binary(binary) if binary.subtype == BinarySubtype::Encrypted => *value = Bson::Null,
        _ => {}
    }
}

/// Analyses a command; if it passes, none of the secrets is in it.
fn check(command: &Document, schema: &Field, secrets: &[String]) -> Result<bool, TestCaseError> {
    let raw = RawDocumentBuf::try_from(command.clone()).unwrap();
    let compiled = RawDocumentBuf::try_from(schema.schema()).unwrap();
    let compiled = EncryptionSchema::parse(&compiled, SchemaOrigin::Local).unwrap();
    let requires_encryption = compiled.requires_encryption();
    prop_assert_eq!(requires_encryption, schema.has_secret());
    let schemas = SchemaSet::single("db.c", Arc::new(compiled));
    let Ok(analysis) = analyze(&raw, "db", &schemas) else { return Ok(false) };
    if !requires_encryption {
        prop_assert_eq!(&analysis.command, &raw);
        return Ok(true);
    }
    let mut visible = Bson::Document(Document::try_from(analysis.command).unwrap());
    without_markings(&mut visible);
    let Bson::Document(visible) = visible else { return Ok(true) };
    let bytes = RawDocumentBuf::try_from(visible).unwrap().into_bytes();
    for secret in secrets {
        let is_seen = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        prop_assert!(!is_seen, "{} of {:?} under {:?}", secret, command, schema);
    }
    Ok(true)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_plaintext_of_an_inserted_document_is_seen(bytes in bytes()) {
        let mut choices = Choices::new(&bytes);
        let schema = Field::object(&mut choices, 2);
        let mut secrets = Vec::new();
        let mut document = Document::new();
        for _ in 0..choices.below(6) {
            let name = choices.pick(&NAMES);
            document.insert(name, value(&mut choices, &schema, &[name], 3, &mut secrets));
        }
        check(&doc! { "insert": "c", "documents": [document] }, &schema, &secrets)?;
    }

    #[test]
    fn no_plaintext_of_a_filter_is_seen(bytes in bytes()) {
        let mut choices = Choices::new(&bytes);
        let schema = Field::object(&mut choices, 2);
        let mut secrets = Vec::new();
        let filter = filter(&mut choices, &schema, 2, &mut secrets);
        check(&doc! { "find": "c", "filter": filter }, &schema, &secrets)?;
    }

    #[test]
    fn no_plaintext_of_an_update_is_seen(bytes in bytes()) {
        let mut choices = Choices::new(&bytes);
        let schema = Field::object(&mut choices, 2);
        let mut secrets = Vec::new();
        let update = update(&mut choices, &schema, &mut secrets);
        let filter = filter(&mut choices, &schema, 0, &mut secrets);
        let command = doc! { "update": "c", "updates": [{ "q": filter, "u": update }] };
        check(&command, &schema, &secrets)?;
    }

    #[test]
    fn no_plaintext_of_a_pipeline_is_seen(bytes in bytes()) {
        let mut choices = Choices::new(&bytes);
        let mut fields = BTreeMap::new();
        let mut flow = BTreeMap::new();
        for name in &NAMES[..4] {
            let field = Field::random(&mut choices, 0);
            if matches!(field, Field::Encrypted { .. }) {
                flow.insert(*name, Flow::Encrypted);
            }
            fields.insert((*name).to_owned(), field);
        }
        let mut secrets = Vec::new();
        let pipeline = pipeline(&mut choices, flow, &mut secrets);
        let command = doc! { "aggregate": "c", "pipeline": pipeline, "cursor": {} };
        check(&command, &Field::Object(fields), &secrets)?;
    }

    #[test]
    fn no_change_of_a_request_makes_it_panic(
        bytes in bytes(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut choices = Choices::new(&bytes);
        let schema = Field::object(&mut choices, 2);
        let mut secrets = Vec::new();
        let filter = filter(&mut choices, &schema, 2, &mut secrets);
        let update = update(&mut choices, &schema, &mut secrets);
        let request = doc! {
            "findAndModify": "c", "query": filter, "update": update,
            "jsonSchema": schema.schema(), "isRemoteSchema": true, "$db": "db",
        };
        let mut raw = RawDocumentBuf::try_from(request).unwrap().into_bytes();
        for (index, value) in changes {
            let index = 4 + index.index(raw.len() - 5);
            raw[index] = value;
        }
        if let Ok(request) = RawDocumentBuf::from_bytes(raw) {
            let _ = analyze_request(&request);
        }
    }
}

/// The properties would hold if everything were refused; so a good part must not be.
#[test]
fn a_good_part_of_the_random_commands_passes() {
    let mut passed = 0;
    for seed in 0..400_u32 {
        let bytes: Vec<u8> = (0..120_u32)
            .map(|i| (seed.wrapping_mul(2_654_435_761).rotate_left(i % 32) ^ (i * 37)) as u8)
            .collect();
        let mut choices = Choices::new(&bytes);
        let schema = Field::object(&mut choices, 2);
        let mut secrets = Vec::new();
        let filter = filter(&mut choices, &schema, 2, &mut secrets);
        let command = doc! { "find": "c", "filter": filter };
        passed += usize::from(check(&command, &schema, &secrets).unwrap());
    }
    assert!(passed > 100, "{passed}");
}
