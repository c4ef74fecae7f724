//! Properties of evaluation: the matcher against a plain evaluator, printed forms against the
//! originals, and that nothing panics.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::cmp::Ordering;

use bson::raw::{RawBson, RawDocument};
use bson::{DateTime, Document, RawDocumentBuf};
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

fn owned_document(document: &RawDocument) -> Document {
    Document::try_from(document).unwrap()
}
