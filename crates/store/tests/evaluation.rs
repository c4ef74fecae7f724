//! Properties of evaluation: the matcher against a plain evaluator, printed forms against the
//! originals, and that nothing panics.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::cmp::Ordering;

use bson::raw::{RawBson, RawDocument};
use bson::{DateTime, RawDocumentBuf};
use fieldveil_query::expression::Expression;
use fieldveil_query::filter::Filter;
use fieldveil_query::projection::Projection;
use fieldveil_query::sort::Sort;
use fieldveil_query::update::{Update, parse_array_filters};
use fieldveil_query::value;
use fieldveil_store::eval::Context;
use fieldveil_store::eval::expression::Compiled;
use fieldveil_store::eval::matcher::Matcher;
use fieldveil_store::eval::projection::Projector;
use fieldveil_store::eval::sort::Sorter;
use fieldveil_store::eval::update::Updater;
use proptest::prelude::*;

#[path = "../../query/tests/generators/mod.rs"]
mod generators;
mod reference;

use reference::{Unknown, owned_document};

fn context() -> Context {
    Context::new(DateTime::from_millis(0))
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn matches(filter: &Filter, document: &RawDocument) -> Option<bool> {
    let matcher = Matcher::compile(filter, &context()).ok()?;
    Some(matcher.matches(document).unwrap())
}

fn same(left: &RawBson, right: &RawBson) -> bool {
    value::compare(left.as_raw_bson_ref(), right.as_raw_bson_ref()) == Ordering::Equal
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_matcher_agrees_with_a_plain_evaluator(
        filter in generators::filter(), documents in prop::collection::vec(generators::document(), 1..6)
    ) {
        let parsed = Filter::parse(&filter).unwrap();
        for document in documents {
            let found = matches(&parsed, &document);
            prop_assert_eq!(
                found, Some(reference::matches(&filter, &document)), "{:?} on {:?}", filter, document
            );
        }
    }

    #[test]
    fn printed_filters_mean_the_same(
        filter in generators::filter(), documents in prop::collection::vec(generators::document(), 1..6)
    ) {
        let parsed = Filter::parse(&filter).unwrap();
        let printed = Filter::parse(&parsed.to_raw()).unwrap();
        for document in documents {
            prop_assert_eq!(matches(&parsed, &document), matches(&printed, &document));
        }
    }

    #[test]
    fn printed_expressions_mean_the_same(
        expression in generators::expression(), document in generators::document()
    ) {
        if let Ok(parsed) = Expression::parse(expression.as_raw_bson_ref()) {
            let printed = Expression::parse(parsed.to_raw().as_raw_bson_ref()).unwrap();
            let run = |expression: &Expression| {
                let compiled = Compiled::compile(expression, &context()).map_err(|e| e.code())?;
                compiled.evaluate(&document, &context()).map_err(|e| e.code())
            };
            match (run(&parsed), run(&printed)) {
                (Ok(Some(left)), Ok(Some(right))) => prop_assert!(same(&left, &right)),
                (left, right) => prop_assert_eq!(left.map(|v| v.is_some()), right.map(|v| v.is_some())),
            }
        }
    }

    #[test]
    fn updates_neither_panic_nor_break_documents(
        update in generators::update(), document in generators::document(), position in 0..3usize
    ) {
        let value = RawBson::Document(update);
        if let Ok(parsed) = Update::parse(value.as_raw_bson_ref())
            && let Ok(filters) = parse_array_filters(None, &parsed)
            && let Ok(updater) = Updater::compile(&parsed, &filters, &context())
            && let Ok(outcome) = updater.apply(&document, Some(position))
        {
            prop_assert!(fieldveil_query::document::validate(&outcome.document, 300).is_ok());
            prop_assert_eq!(
                outcome.modified, outcome.document.as_bytes() != document.as_bytes()
            );
            let printed = Update::parse(parsed.to_raw().as_raw_bson_ref()).unwrap();
            let again = Updater::compile(&printed, &filters, &context()).unwrap();
            let again = again.apply(&document, Some(position)).unwrap();
            prop_assert_eq!(again.document.as_bytes(), outcome.document.as_bytes());
        }
    }

    #[test]
    fn updates_agree_with_a_plain_evaluator(
        update in generators::update(), document in generators::document()
    ) {
        let value = RawBson::Document(update.clone());
        if let Ok(parsed) = Update::parse(value.as_raw_bson_ref())
            && let Ok(updater) = Updater::compile(&parsed, &[], &context())
        {
            let found = updater.apply(&document, None).map(|outcome| owned_document(&outcome.document));
            match (found, reference::apply(&update, &document)) {
                (_, Err(Unknown::CannotSay)) => {}
                (Err(_), Err(Unknown::Fails)) => {}
                (Ok(found), Ok(expected)) => {
                    let bytes = |document| RawDocumentBuf::try_from(document).unwrap().into_bytes();
                    prop_assert_eq!(
                        bytes(&found), bytes(&expected), "{:?} on {:?}: {:?}, expected {:?}",
                        update, document, found, expected
                    );
                }
                (found, expected) => prop_assert!(
                    false, "{:?} on {:?}: {:?}, expected {:?}", update, document, found, expected
                ),
            }
        }
    }

    #[test]
    fn values_are_in_the_order_of_a_plain_comparison(left in generators::value(), right in generators::value()) {
        let expected = reference::compare(&reference::owned(&left), &reference::owned(&right));
        let found = value::compare(left.as_raw_bson_ref(), right.as_raw_bson_ref());
        prop_assert_eq!(found, expected, "{:?} and {:?}", left, right);
        let equal = value::equal(left.as_raw_bson_ref(), right.as_raw_bson_ref());
        prop_assert_eq!(equal, expected.is_eq());
    }

    #[test]
    fn setting_a_path_makes_it_match(document in generators::document(), path in generators::path(), value in generators::value()) {
        let operators = wrap("$set", wrap(&path, value.clone()));
        let update = Update::parse(operators.as_raw_bson_ref()).unwrap();
        let updater = Updater::compile(&update, &[], &context()).unwrap();
        if let Ok(outcome) = updater.apply(&document, None) {
            let filter = wrap(&path, wrap("$eq", value.clone()));
            if let Some(filter) = filter.as_document()
                && let Ok(filter) = Filter::parse(filter)
            {
                prop_assert_eq!(matches(&filter, &outcome.document), Some(true));
            }
        }
    }

    #[test]
    fn sort_keys_order_as_the_extreme_values(left in generators::document(), right in generators::document()) {
        let sort = Sort::parse(&bson::rawdoc! { "a": 1, "b.c": -1 }).unwrap();
        let sorter = Sorter::compile(&sort, &context()).unwrap();
        if let (Ok(left), Ok(right)) = (sorter.key(&left), sorter.key(&right)) {
            prop_assert_eq!(sorter.compare(&left, &right), sorter.compare(&right, &left).reverse());
        }
    }

    #[test]
    fn inclusion_and_exclusion_divide_a_document(document in generators::document()) {
        let project = |projection: RawDocumentBuf| {
            let parsed = Projection::parse_find(&projection).unwrap();
            Projector::compile(&parsed, &context()).unwrap().apply(&document, None).unwrap()
        };
        let kept = project(bson::rawdoc! { "a": 1, "b": 1 });
        let rest = project(bson::rawdoc! { "a": 0, "b": 0 });
        let count = |document: &RawDocument| document.iter().count();
        prop_assert_eq!(count(&kept) + count(&rest), count(&document));
    }

    #[test]
    fn hostile_input_does_not_panic(value in generators::hostile(), document in generators::document()) {
        if let Ok(expression) = Expression::parse(value.as_raw_bson_ref())
            && let Ok(compiled) = Compiled::compile(&expression, &context())
        {
            let _ = compiled.evaluate(&document, &context());
        }
        if let Some(hostile) = value.as_document() {
            if let Ok(filter) = Filter::parse(hostile)
                && let Ok(matcher) = Matcher::compile(&filter, &context())
            {
                let _ = matcher.find_position(&document);
                let _ = matcher.find_position(hostile);
            }
            if let Ok(projection) = Projection::parse_find(hostile)
                && let Ok(projector) = Projector::compile(&projection, &context())
            {
                let _ = projector.apply(&document, Some(0));
            }
        }
        if let Ok(update) = Update::parse(value.as_raw_bson_ref())
            && let Ok(updater) = Updater::compile(&update, &[], &context())
        {
            let _ = updater.apply(&document, Some(0));
            let _ = updater.insert(&Filter::all(), || RawBson::Int32(1));
        }
    }
}

fn wrap(name: &str, value: RawBson) -> RawBson {
    RawBson::Document(generators::build(vec![(name.to_owned(), value)]))
}

/// Runs on a stack as small as that of an async runtime's worker.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

fn nested(levels: usize, start: RawBson, wrap: impl Fn(RawBson) -> RawBson) -> RawBson {
    (0..levels).fold(start, |inner, _| wrap(inner))
}

#[test]
fn operators_nest_to_the_limit_without_overflow() {
    on_a_small_stack(|| {
        let list = |value| generators::array(vec![value]);
        let document = bson::rawdoc! { "a": [[1]], "l": [1] };
        for wrapped in [
            nested(100, bson::rawbson!({ "a": 1 }), |inner| wrap("$and", list(inner))),
            nested(50, bson::rawbson!({ "a": 1 }), |inner| wrap("a", wrap("$elemMatch", inner))),
            wrap("a", nested(99, bson::rawbson!({ "$gt": 1 }), |inner| wrap("$not", inner))),
        ] {
            let filter = Filter::parse(wrapped.as_document().unwrap()).unwrap();
            assert!(matches(&filter, &document).is_some());
            assert_eq!(Filter::parse(&filter.to_raw()).unwrap(), filter);
        }
        for expression in [
            nested(98, bson::rawbson!("$a"), |inner| wrap("$not", list(inner))),
            nested(98, bson::rawbson!("$a"), |inner| wrap("x", inner)),
            nested(98, bson::rawbson!("$$this"), |inner| {
                let input = bson::rawbson!("$l");
                let arguments = vec![("input".to_owned(), input), ("in".to_owned(), inner)];
                wrap("$map", RawBson::Document(generators::build(arguments)))
            }),
            nested(98, bson::rawbson!(1), |inner| {
                let arguments = vec![
                    ("vars".to_owned(), bson::rawbson!({ "v": "$l" })),
                    ("in".to_owned(), wrap("$size", list(list(inner)))),
                ];
                wrap("$let", RawBson::Document(generators::build(arguments)))
            }),
        ] {
            if let Ok(parsed) = Expression::parse(expression.as_raw_bson_ref()) {
                let compiled = Compiled::compile(&parsed, &context()).unwrap();
                compiled.evaluate(&document, &context()).unwrap();
            }
        }
    });
}

#[test]
fn documents_nest_to_their_limit_without_overflow() {
    on_a_small_stack(|| {
        let deep = nested(190, RawBson::Int32(1), |inner| wrap("a", inner));
        let document = deep.as_document().unwrap().to_owned();
        assert!(fieldveil_query::document::validate(&document, 200).is_ok());
        assert_eq!(value::compare_documents(&document, &document), Ordering::Equal);
        let arrays = nested(190, RawBson::Int32(1), |inner| generators::array(vec![inner]));
        let arrays = wrap("a", arrays);
        let arrays = arrays.as_document().unwrap();
        let path = vec!["a"; 180].join(".");
        let update = wrap("$set", wrap(&path, RawBson::Int32(2)));
        let update = Update::parse(update.as_raw_bson_ref()).unwrap();
        Updater::compile(&update, &[], &context()).unwrap().apply(&document, None).unwrap();
        let filter = wrap(&path, RawBson::Int32(2));
        let filter = Filter::parse(filter.as_document().unwrap()).unwrap();
        assert!(matches(&filter, &document).is_some() && matches(&filter, arrays).is_some());
        let projection = wrap(&path, RawBson::Int32(1));
        let projection = Projection::parse_find(projection.as_document().unwrap()).unwrap();
        let projector = Projector::compile(&projection, &context()).unwrap();
        projector.apply(&document, None).unwrap();
        projector.apply(arrays, None).unwrap();
        let field = Expression::parse(RawBson::String(format!("${path}")).as_raw_bson_ref());
        let compiled = Compiled::compile(&field.unwrap(), &context()).unwrap();
        compiled.evaluate(arrays, &context()).unwrap();
    });
}
