//! Random values, documents, filters, updates, expressions and pipelines with few names and values,
//! so that they meet often.
#![allow(dead_code, clippy::unwrap_used, reason = "test data; each test uses a part")]

use bson::raw::{CString, RawArrayBuf, RawBson};
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawDocumentBuf, Regex, Timestamp, oid::ObjectId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "0", "1"]).prop_map(str::to_owned)
}

pub(crate) fn path() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "a.b", "a.0", "a.b.c", "b.1.a", "a.0.b", "c.a"])
        .prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    select(vec!["", "a", "b", "ab", "B", "é", "10"]).prop_map(str::to_owned)
}

fn decimal() -> impl Strategy<Value = RawBson> {
    select(vec![
        "0",
        "-0",
        "1",
        "1.0",
        "0.1",
        "-1.5",
        "2E+3",
        "NaN",
        "Infinity",
        "-Infinity",
        "9E-400",
    ])
    .prop_map(|text| RawBson::Decimal128(text.parse().unwrap()))
}

pub(crate) fn number() -> impl Strategy<Value = RawBson> {
    prop_oneof![
        (-3..4i32).prop_map(RawBson::Int32),
        (-3..4i64).prop_map(RawBson::Int64),
        select(vec![i64::MIN, i64::MAX, 9_007_199_254_740_993]).prop_map(RawBson::Int64),
        select(vec![
            0.0,
            -0.0,
            0.1,
            1.0,
            2.5,
            -1.0,
            9007199254740992.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            5e-324,
            1e308
        ])
        .prop_map(RawBson::Double),
        decimal(),
    ]
}

pub(crate) fn scalar() -> impl Strategy<Value = RawBson> {
    prop_oneof![
        4 => number(),
        2 => text().prop_map(RawBson::String),
        1 => Just(RawBson::Null),
        1 => any::<bool>().prop_map(RawBson::Boolean),
        1 => (-2..3i64).prop_map(|at| RawBson::DateTime(DateTime::from_millis(at))),
        1 => select(vec![
            RawBson::MinKey,
            RawBson::MaxKey,
            RawBson::Undefined,
            RawBson::ObjectId(ObjectId::from_bytes([0; 12])),
            RawBson::ObjectId(ObjectId::from_bytes([1; 12])),
            RawBson::Timestamp(Timestamp { time: 1, increment: 2 }),
            RawBson::Symbol("a".to_owned()),
            RawBson::JavaScriptCode("a".to_owned()),
            RawBson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2] }),
            RawBson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: vec![0; 16] }),
            RawBson::RegularExpression(Regex {
                pattern: "^a".try_into().unwrap(),
                options: "i".try_into().unwrap(),
            }),
        ]),
    ]
}

pub(crate) fn build(fields: Vec<(String, RawBson)>) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in fields {
        if !seen.contains(&name) {
            document.append(CString::try_from(name.clone()).unwrap(), value);
            seen.push(name);
        }
    }
    document
}

pub(crate) fn array(items: Vec<RawBson>) -> RawBson {
    let mut array = RawArrayBuf::new();
    items.into_iter().for_each(|item| array.push(item));
    RawBson::Array(array)
}

pub(crate) fn value() -> impl Strategy<Value = RawBson> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(array),
            vec((name(), inner), 0..3).prop_map(|fields| RawBson::Document(build(fields))),
        ]
    })
}

pub(crate) fn document() -> impl Strategy<Value = RawDocumentBuf> {
    vec((name(), value()), 0..4).prop_map(build)
}

fn one(name: &str, value: RawBson) -> RawDocumentBuf {
    build(vec![(name.to_owned(), value)])
}

fn no_regex(value: RawBson) -> RawBson {
    match value {
        RawBson::RegularExpression(_) | RawBson::Undefined => RawBson::Null,
        other => other,
    }
}

fn predicate() -> impl Strategy<Value = Vec<(String, RawBson)>> {
    let compare = (select(vec!["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), value())
        .prop_map(|(operator, value)| vec![(operator.to_owned(), no_regex(value))]);
    let list =
        (select(vec!["$in", "$nin", "$all"]), vec(value(), 0..3)).prop_map(|(operator, list)| {
            let list =
                list.into_iter().map(|v| if v == RawBson::Undefined { RawBson::Null } else { v });
            vec![(operator.to_owned(), array(list.collect()))]
        });
    let other = prop_oneof![
        any::<bool>().prop_map(|on| vec![("$exists".to_owned(), RawBson::Boolean(on))]),
        select(vec!["number", "string", "array", "object", "null", "bool", "int"])
            .prop_map(|kind| vec![("$type".to_owned(), RawBson::String(kind.to_owned()))]),
        (0..3i32).prop_map(|size| vec![("$size".to_owned(), RawBson::Int32(size))]),
        (1..4i32, 0..3i32).prop_map(|(divisor, rest)| {
            vec![("$mod".to_owned(), array(vec![RawBson::Int32(divisor), RawBson::Int32(rest)]))]
        }),
        select(vec!["^a", "b$", "."])
            .prop_map(|pattern| vec![("$regex".to_owned(), RawBson::String(pattern.to_owned()))]),
        (select(vec!["$bitsAllSet", "$bitsAnyClear"]), 0..4i32)
            .prop_map(|(operator, mask)| vec![(operator.to_owned(), RawBson::Int32(mask))]),
    ];
    prop_oneof![3 => compare, 2 => list, 2 => other].prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|p| vec![("$not".to_owned(), RawBson::Document(build(p)))]),
            inner
                .clone()
                .prop_map(|p| vec![("$elemMatch".to_owned(), RawBson::Document(build(p)))]),
            (inner.clone(), inner).prop_map(|(mut left, right)| {
                left.extend(right);
                left
            }),
        ]
    })
}

/// Filters that parse.
pub(crate) fn filter() -> impl Strategy<Value = RawDocumentBuf> {
    let field = (
        path(),
        prop_oneof![
            value().prop_map(|v| if v == RawBson::Undefined { RawBson::Null } else { v }),
            predicate().prop_map(|p| RawBson::Document(build(p))),
        ],
    )
        .prop_map(|(path, value)| build(vec![(path, value)]));
    field.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (select(vec!["$and", "$or", "$nor"]), vec(inner.clone(), 1..3)).prop_map(
                |(operator, parts)| {
                    one(operator, array(parts.into_iter().map(RawBson::Document).collect()))
                }
            ),
            (path(), inner.clone()).prop_map(|(path, inner)| {
                one(&path, RawBson::Document(one("$elemMatch", RawBson::Document(inner))))
            }),
            (inner.clone(), inner).prop_map(|(left, right)| {
                let fields = left.iter().chain(right.iter()).map(|field| {
                    let (name, value) = field.unwrap();
                    (name.as_str().to_owned(), RawBson::from(value))
                });
                build(fields.collect())
            }),
        ]
    })
}

/// Expressions that parse; many fail when evaluated.
pub(crate) fn expression() -> impl Strategy<Value = RawBson> {
    let leaf = prop_oneof![
        scalar().prop_map(|v| RawBson::Document(one("$literal", v))),
        (-3..4i32).prop_map(RawBson::Int32),
        path()
            .prop_filter("no index at the start", |p| !p.starts_with('0'))
            .prop_map(|path| RawBson::String(format!("${path}"))),
        Just(RawBson::String("$$ROOT".to_owned())),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let unary = select(vec![
            "$abs",
            "$ceil",
            "$not",
            "$size",
            "$isArray",
            "$type",
            "$toString",
            "$toInt",
            "$toBool",
            "$reverseArray",
            "$first",
            "$objectToArray",
            "$arrayToObject",
            "$strLenCP",
            "$toUpper",
            "$year",
            "$toDate",
            "$toDecimal",
            "$sum",
            "$avg",
            "$max",
            "$round",
            "$sqrt",
            "$bsonSize",
        ]);
        let binary = select(vec![
            "$add",
            "$subtract",
            "$multiply",
            "$divide",
            "$mod",
            "$eq",
            "$lt",
            "$cmp",
            "$in",
            "$and",
            "$or",
            "$concat",
            "$concatArrays",
            "$setUnion",
            "$setDifference",
            "$arrayElemAt",
            "$split",
            "$ifNull",
            "$mergeObjects",
            "$pow",
            "$trunc",
            "$slice",
            "$indexOfArray",
            "$min",
        ]);
        prop_oneof![
            (unary, inner.clone())
                .prop_map(|(operator, a)| RawBson::Document(one(operator, array(vec![a])))),
            (binary, inner.clone(), inner.clone())
                .prop_map(|(operator, a, b)| RawBson::Document(one(operator, array(vec![a, b])))),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| RawBson::Document(one("$cond", array(vec![a, b, c])))),
            vec(inner.clone(), 0..3).prop_map(array),
            (select(vec!["x", "y"]), inner.clone())
                .prop_map(|(name, a)| RawBson::Document(one(name, a))),
            (inner.clone(), inner).prop_map(|(input, body)| {
                let arguments = build(vec![("input".to_owned(), input), ("in".to_owned(), body)]);
                RawBson::Document(one("$map", RawBson::Document(arguments)))
            }),
        ]
    })
}

/// Operator updates; many of them parse.
pub(crate) fn update() -> impl Strategy<Value = RawDocumentBuf> {
    let plain = (
        select(vec![
            "$set",
            "$unset",
            "$min",
            "$max",
            "$push",
            "$addToSet",
            "$pull",
            "$setOnInsert",
        ]),
        path(),
        value(),
    );
    let numeric = (select(vec!["$inc", "$mul"]), path(), number());
    let rest = prop_oneof![
        (path(), any::<bool>()).prop_map(|(path, first)| {
            ("$pop".to_owned(), path, RawBson::Int32(if first { -1 } else { 1 }))
        }),
        (path(), path()).prop_map(|(from, to)| ("$rename".to_owned(), from, RawBson::String(to))),
        (path(), vec(value(), 0..3), -2..3i32, -2..3i32).prop_map(
            |(path, list, position, slice)| {
                let fields = vec![
                    ("$each".to_owned(), array(list)),
                    ("$position".to_owned(), RawBson::Int32(position)),
                    ("$slice".to_owned(), RawBson::Int32(slice)),
                ];
                ("$push".to_owned(), path, RawBson::Document(build(fields)))
            }
        ),
        (path(), value()).prop_map(|(path, v)| ("$set".to_owned(), format!("{path}.$[]"), v)),
    ];
    let one_of = prop_oneof![
        3 => plain.prop_map(|(operator, path, value)| (operator.to_owned(), path, value)),
        1 => numeric.prop_map(|(operator, path, value)| (operator.to_owned(), path, value)),
        1 => rest,
    ];
    vec(one_of, 1..4).prop_map(|list| {
        let mut operators: Vec<(String, Vec<(String, RawBson)>)> = Vec::new();
        for (operator, path, value) in list {
            match operators.iter_mut().find(|(known, _)| *known == operator) {
                Some((_, fields)) => fields.push((path, value)),
                None => operators.push((operator, vec![(path, value)])),
            }
        }
        let fields = operators.into_iter().map(|(o, f)| (o, RawBson::Document(build(f))));
        build(fields.collect())
    })
}

/// Anything, with names that mean something to a parser.
pub(crate) fn hostile() -> impl Strategy<Value = RawBson> {
    let word = select(vec![
        "$and",
        "$or",
        "$not",
        "$in",
        "$gt",
        "$elemMatch",
        "$all",
        "$regex",
        "$options",
        "$type",
        "$mod",
        "$size",
        "$expr",
        "$set",
        "$inc",
        "$push",
        "$each",
        "$slice",
        "$sort",
        "$position",
        "$pull",
        "$rename",
        "$bit",
        "and",
        "$currentDate",
        "$match",
        "$project",
        "$group",
        "_id",
        "$sum",
        "$lookup",
        "from",
        "as",
        "let",
        "pipeline",
        "$unwind",
        "path",
        "$facet",
        "$bucket",
        "groupBy",
        "boundaries",
        "$let",
        "vars",
        "in",
        "$map",
        "input",
        "$cond",
        "$switch",
        "branches",
        "case",
        "then",
        "$literal",
        "$topN",
        "n",
        "sortBy",
        "output",
        "$setWindowFields",
        "window",
        "$merge",
        "into",
        "a",
        "a.b",
        "a.$",
        "a.$[]",
        "a.$[x]",
        "",
        "$",
        "$$ROOT",
        "$a",
        ".",
        "..",
        "$foo",
    ])
    .prop_map(str::to_owned);
    let leaf = prop_oneof![scalar(), word.clone().prop_map(RawBson::String)];
    leaf.prop_recursive(5, 32, 4, move |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(array),
            3 => vec((word.clone(), inner), 0..4).prop_map(|fields| RawBson::Document(build(fields))),
        ]
    })
}
