//! Properties of comparison, decimals, parsing and printing.

use std::cmp::Ordering;

use bson::raw::RawBson;
use fieldveil_query::decimal::Decimal;
use fieldveil_query::expression::Expression;
use fieldveil_query::filter::Filter;
use fieldveil_query::pipeline::Pipeline;
use fieldveil_query::projection::Projection;
use fieldveil_query::sort::Sort;
use fieldveil_query::update::{Update, parse_array_filters};
use fieldveil_query::value::{Number, compare};
use proptest::prelude::*;

mod generators;

fn order(left: &RawBson, right: &RawBson) -> Ordering {
    compare(left.as_raw_bson_ref(), right.as_raw_bson_ref())
}

/// Bounds that tests of all kinds share.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn comparison_is_a_total_order(
        a in generators::value(), b in generators::value(), c in generators::value()
    ) {
        prop_assert_eq!(order(&a, &a), Ordering::Equal);
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        let mut list = [a, b, c];
        list.sort_by(order);
        let [low, middle, high] = &list;
        prop_assert!(order(low, middle).is_le() && order(middle, high).is_le());
        prop_assert!(order(low, high).is_le());
        if order(low, high).is_eq() {
            prop_assert!(order(low, middle).is_eq() && order(middle, high).is_eq());
        }
    }

    #[test]
    fn numbers_compare_as_their_exact_values(a in any::<i64>(), b in any::<f64>()) {
        let (left, right) = (Number::Int64(a), Number::Double(b));
        let decimal = Number::Decimal(Decimal::from(a));
        prop_assert_eq!(left.compare(right), decimal.compare(right));
        prop_assert_eq!(left.compare(decimal), Ordering::Equal);
    }

    #[test]
    fn decimals_add_and_multiply_as_integers(a in any::<i64>(), b in any::<i64>()) {
        let sum = Decimal::from(a).plus(Decimal::from(b)).to_string();
        prop_assert_eq!(sum, (i128::from(a) + i128::from(b)).to_string());
        let (a, b) = (a >> 10, b >> 10);
        let product = Decimal::from(a).multiply(Decimal::from(b));
        let exact = i128::from(a) * i128::from(b);
        if exact.unsigned_abs() < 10u128.pow(34) && exact != 0 {
            prop_assert_eq!(product.to_string(), exact.to_string());
        }
        if b != 0 {
            let back = product.divide(Decimal::from(b));
            if exact.unsigned_abs() < 10u128.pow(34) {
                prop_assert_eq!(back.compare(Decimal::from(a)), Ordering::Equal);
            }
            let rest = Decimal::from(a).remainder(Decimal::from(b));
            prop_assert_eq!(rest.to_i64_exact(), Some(a % b));
        }
    }

    #[test]
    fn decimals_survive_their_encodings(coefficient in 0u128..10u128.pow(34), exponent in -6176..6112i32, negative: bool) {
        let decimal = Decimal::from_parts(negative, coefficient, exponent);
        prop_assert_eq!(Decimal::decode(decimal.encode()), decimal);
        prop_assert_eq!(Decimal::parse(&decimal.to_string()), Some(decimal));
        prop_assert_eq!(decimal.encode().to_string(), decimal.to_string());
    }

    #[test]
    fn doubles_compare_with_decimals_by_order(a in any::<f64>(), coefficient in 0u128..10u128.pow(34), exponent in -350..320i32) {
        let decimal = Decimal::from_parts(a.is_sign_negative(), coefficient, exponent);
        let near = decimal.to_f64();
        let order = decimal.compare_f64(a);
        if near < a {
            prop_assert_eq!(order, Ordering::Less);
        } else if near > a {
            prop_assert_eq!(order, Ordering::Greater);
        }
    }

    #[test]
    fn filters_read_back_as_printed(document in generators::filter()) {
        if let Ok(filter) = Filter::parse(&document) {
            let printed = filter.to_raw();
            let again = Filter::parse(&printed);
            // NaN is not equal to itself, so trees are compared as printed.
            prop_assert_eq!(again.map(|f| f.to_raw()).map_err(|e| e.to_string()), Ok(printed));
        }
    }

    #[test]
    fn expressions_read_back_as_printed(value in generators::expression()) {
        if let Ok(expression) = Expression::parse(value.as_raw_bson_ref()) {
            let printed = expression.to_raw();
            let again = Expression::parse(printed.as_raw_bson_ref()).map(|e| e.to_raw());
            prop_assert_eq!(bytes(again.unwrap()), bytes(printed));
        }
    }

    #[test]
    fn updates_read_back_as_printed(document in generators::update()) {
        let value = RawBson::Document(document);
        if let Ok(update) = Update::parse(value.as_raw_bson_ref()) {
            let printed = update.to_raw();
            let again = Update::parse(printed.as_raw_bson_ref()).map(|u| u.to_raw());
            prop_assert_eq!(bytes(again.unwrap()), bytes(printed));
        }
    }

    #[test]
    fn damaged_bytes_do_not_panic(
        value in generators::hostile(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut damaged = bytes(value);
        let length = damaged.len();
        for (at, byte) in damage {
            // The frame stays, so that the damage is met inside.
            damaged[4 + at.index(length - 5)] = byte;
        }
        let document = bson::RawDocument::from_bytes(&damaged).unwrap();
        let _ = fieldveil_query::document::validate(document, 200);
        let _ = Filter::parse(document);
        let _ = Projection::parse_find(document);
        let _ = fieldveil_query::value::compare_documents(document, document);
        if let Ok(Some(value)) = document.get("v") {
            let _ = Expression::parse(value);
            let _ = Update::parse(value);
            if let Some(array) = value.as_array() {
                let _ = Pipeline::parse(array);
            }
        }
    }

    #[test]
    fn nothing_panics_and_all_that_parses_prints(value in generators::hostile()) {
        let reference = value.as_raw_bson_ref();
        if let Ok(expression) = Expression::parse(reference) {
            prop_assert!(Expression::parse(expression.to_raw().as_raw_bson_ref()).is_ok());
        }
        if let Ok(update) = Update::parse(reference) {
            let printed = update.to_raw();
            prop_assert!(Update::parse(printed.as_raw_bson_ref()).is_ok(), "{:?}", printed);
            let _ = parse_array_filters(value.as_array(), &update);
        }
        if let Some(document) = value.as_document() {
            if let Ok(filter) = Filter::parse(document) {
                prop_assert!(Filter::parse(&filter.to_raw()).is_ok(), "{:?}", filter);
            }
            if let Ok(projection) = Projection::parse_find(document) {
                let printed = projection.to_raw();
                prop_assert!(Projection::parse_find(&printed).is_ok(), "{:?}", projection);
            }
            let _ = Sort::parse(document);
        }
        if let Some(array) = value.as_array()
            && let Ok(pipeline) = Pipeline::parse(array)
        {
            prop_assert!(Pipeline::parse(&pipeline.to_raw()).is_ok(), "{:?}", pipeline);
        }
    }
}

fn bytes(value: RawBson) -> Vec<u8> {
    let mut document = bson::RawDocumentBuf::new();
    document.append(bson::raw::cstr!("v"), value);
    document.into_bytes()
}
