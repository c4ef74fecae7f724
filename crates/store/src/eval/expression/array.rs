//! Arrays.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::QueryError;
use fieldveil_query::sort::Sort;
use fieldveil_query::value::{Number, compare_with};

use super::values::{
    Named, any_nullish, array, at, boolean, elements, int, int32, is_nullish, items, null, number,
    reference, type_name,
};
use super::{NamedFunction, PositionalFunction, Scope, Value};
use crate::eval::sort::Sorter;

/// The largest array an expression may make.
const MAX_RANGE: usize = 16 * 1024 * 1024 / 8;

pub(super) fn find(operator: &str) -> Option<PositionalFunction> {
    Some(match operator {
        "$arrayElemAt" => element_at,
        "$concatArrays" => concat,
        "$first" => |arguments, _| end("$first", arguments, true),
        "$in" => contains,
        "$indexOfArray" => index_of,
        "$isArray" => |arguments, _| boolean(matches!(at(arguments, 0), Some(RawBson::Array(_)))),
        "$last" => |arguments, _| end("$last", arguments, false),
        "$range" => range,
        "$reverseArray" => reverse,
        "$size" => size,
        "$slice" => slice,
        _ => return None,
    })
}

pub(super) fn find_named(operator: &str) -> Option<NamedFunction> {
    Some(match operator {
        "$firstN" => |arguments, _| first_or_last("$firstN", arguments, true),
        "$lastN" => |arguments, _| first_or_last("$lastN", arguments, false),
        "$maxN" => |arguments, scope| extreme("$maxN", arguments, scope, true),
        "$minN" => |arguments, scope| extreme("$minN", arguments, scope, false),
        "$sortArray" => sort_array,
        "$zip" => zip,
        _ => return None,
    })
}

fn wrong_type(code: i32, message: String) -> QueryError {
    QueryError::new(code, message)
}

fn element_at(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let Some(list) = items(at(arguments, 0))? else {
        return Err(wrong_type(
            28689,
            format!(
                "$arrayElemAt's first argument must be an array, but is {}",
                type_name(at(arguments, 0))
            ),
        ));
    };
    let Some(index) = int32(at(arguments, 1)) else {
        let what = if number(at(arguments, 1)).is_some() {
            (28691, "representable as a 32-bit integer".to_owned())
        } else {
            (28690, format!("a numeric value, but is {}", type_name(at(arguments, 1))))
        };
        return Err(wrong_type(
            what.0,
            format!("$arrayElemAt's second argument must be {}", what.1),
        ));
    };
    let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    let place = if index < 0 { list.len().checked_sub(distance) } else { Some(distance) };
    Ok(place.and_then(|place| list.into_iter().nth(place)))
}

fn end(operator: &str, arguments: &[Value], first: bool) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    match items(at(arguments, 0))? {
        Some(list) if first => Ok(list.into_iter().next()),
        Some(list) => Ok(list.into_iter().next_back()),
        None => Err(wrong_type(
            28689,
            format!(
                "{operator}'s argument must be an array, but is {}",
                type_name(at(arguments, 0))
            ),
        )),
    }
}

fn concat(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let mut all = Vec::new();
    for argument in arguments {
        if is_nullish(argument) {
            return null();
        }
        match items(argument)? {
            Some(list) => all.extend(list),
            None => {
                return Err(wrong_type(
                    28664,
                    format!("$concatArrays only supports arrays, not {}", type_name(argument)),
                ));
            }
        }
    }
    array(all)
}

fn contains(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, QueryError> {
    let Some(list) = items(at(arguments, 1))? else {
        return Err(wrong_type(
            40081,
            format!(
                "$in requires an array as a second argument, found: {}",
                type_name(at(arguments, 1))
            ),
        ));
    };
    let wanted = reference(at(arguments, 0));
    let collation = scope.context.collation.as_deref();
    boolean(list.iter().any(|item| compare_with(item.as_raw_bson_ref(), wanted, collation).is_eq()))
}

fn index_of(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, QueryError> {
    if is_nullish(at(arguments, 0)) {
        return null();
    }
    let Some(list) = items(at(arguments, 0))? else {
        return Err(wrong_type(
            40090,
            format!(
                "$indexOfArray requires an array as a first argument, found: {}",
                type_name(at(arguments, 0))
            ),
        ));
    };
    let bound = |index: usize, default: usize| match arguments.get(index) {
        None => Ok(default),
        Some(value) => match int32(value).map(usize::try_from) {
            Some(Ok(place)) => Ok(place),
            Some(Err(_)) => {
                Err(wrong_type(40097, "$indexOfArray requires a nonnegative index".to_owned()))
            }
            None => Err(wrong_type(
                40096,
                format!(
                    "$indexOfArray requires an integral index, found a value of type: {}",
                    type_name(value)
                ),
            )),
        },
    };
    let (start, end) = (bound(2, 0)?, bound(3, list.len())?.min(list.len()));
    let wanted = reference(at(arguments, 1));
    let collation = scope.context.collation.as_deref();
    for (place, item) in list.iter().enumerate().take(end).skip(start) {
        if compare_with(item.as_raw_bson_ref(), wanted, collation).is_eq() {
            return int(place);
        }
    }
    Ok(Some(RawBson::Int32(-1)))
}

fn range(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    let bound = |index: usize, what: &str, codes: (i32, i32)| {
        let value = at(arguments, index);
        int32(value).map(i64::from).ok_or_else(|| {
            if number(value).is_some() {
                wrong_type(
                    codes.1,
                    format!(
                        "$range requires a {what} value that can be represented as a 32-bit integer"
                    ),
                )
            } else {
                wrong_type(
                    codes.0,
                    format!(
                        "$range requires a numeric {what} value, found value of type: {}",
                        type_name(value)
                    ),
                )
            }
        })
    };
    let start = bound(0, "starting", (34443, 34444))?;
    let end = bound(1, "ending", (34445, 34446))?;
    let step = if arguments.len() > 2 { bound(2, "step", (34447, 34448))? } else { 1 };
    if step == 0 {
        return Err(wrong_type(34449, "$range requires a non-zero step value".to_owned()));
    }
    let mut list = Vec::new();
    let mut current = start;
    while (step > 0 && current < end) || (step < 0 && current > end) {
        if list.len() == MAX_RANGE {
            return Err(QueryError::new(146, "$range would use too much memory"));
        }
        list.push(Number::narrow(current).to_bson());
        current += step;
    }
    array(list)
}

fn reverse(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    match items(at(arguments, 0))? {
        Some(list) => array(list.into_iter().rev()),
        None => Err(wrong_type(
            34435,
            format!(
                "The argument to $reverseArray must be an array, but was of type: {}",
                type_name(at(arguments, 0))
            ),
        )),
    }
}

fn size(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    match at(arguments, 0) {
        Some(RawBson::Array(list)) => int(list.into_iter().count()),
        other => Err(wrong_type(
            17124,
            format!(
                "The argument to $size must be an array, but was of type: {}",
                type_name(other)
            ),
        )),
    }
}

fn slice(arguments: &[Value], _: &Scope<'_>) -> Result<Value, QueryError> {
    if any_nullish(arguments) {
        return null();
    }
    let Some(list) = items(at(arguments, 0))? else {
        return Err(wrong_type(
            28724,
            format!(
                "First argument to $slice must be an array, but is of type: {}",
                type_name(at(arguments, 0))
            ),
        ));
    };
    let integer = |index: usize, which: &str, code: i32| {
        int32(at(arguments, index)).ok_or_else(|| {
            wrong_type(code, format!("{which} argument to $slice must be numeric and a 32-bit integer, but is of type: {}", type_name(at(arguments, index))))
        })
    };
    let second = integer(1, "Second", 28725)?;
    let distance = usize::try_from(second.unsigned_abs()).unwrap_or(usize::MAX);
    if arguments.len() == 2 {
        let len = list.len();
        return if second < 0 {
            array(list.into_iter().skip(len.saturating_sub(distance)))
        } else {
            array(list.into_iter().take(distance))
        };
    }
    let count = usize::try_from(integer(2, "Third", 28727)?).ok().filter(|count| *count > 0);
    let Some(count) = count else {
        return Err(wrong_type(28729, "Third argument to $slice must be positive".to_owned()));
    };
    let start = if second < 0 { list.len().saturating_sub(distance) } else { distance };
    array(list.into_iter().skip(start).take(count))
}

/// `n`, a positive whole number.
pub(crate) fn count_argument(operator: &str, value: &Value) -> Result<usize, QueryError> {
    let Some(number) = number(value) else {
        return Err(wrong_type(
            5787902,
            format!(
                "Value for 'n' must be of integral type, but found {} in {operator}",
                type_name(value)
            ),
        ));
    };
    match number.to_i64_exact() {
        None => Err(wrong_type(
            5787903,
            format!("Value for 'n' must be of integral type in {operator}"),
        )),
        Some(count) => usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
            wrong_type(5787908, format!("'n' must be greater than 0, found {count} in {operator}"))
        }),
    }
}

fn n_and_input(operator: &str, arguments: &Named<'_>) -> Result<(usize, Vec<RawBson>), QueryError> {
    let n = count_argument(operator, arguments.get("n"))?;
    match items(arguments.get("input"))? {
        Some(list) => Ok((n, list)),
        None => Err(wrong_type(
            5788200,
            format!(
                "Input must be an array, but is {} in {operator}",
                type_name(arguments.get("input"))
            ),
        )),
    }
}

fn first_or_last(operator: &str, arguments: &Named<'_>, first: bool) -> Result<Value, QueryError> {
    let (n, list) = n_and_input(operator, arguments)?;
    let skip = if first { 0 } else { list.len().saturating_sub(n) };
    array(list.into_iter().skip(skip).take(n))
}

fn extreme(
    operator: &str,
    arguments: &Named<'_>,
    scope: &Scope<'_>,
    largest: bool,
) -> Result<Value, QueryError> {
    let (n, mut list) = n_and_input(operator, arguments)?;
    list.retain(|item| !matches!(item, RawBson::Null | RawBson::Undefined));
    let collation = scope.context.collation.as_deref();
    list.sort_by(|left, right| {
        let order = compare_with(left.as_raw_bson_ref(), right.as_raw_bson_ref(), collation);
        if largest { order.reverse() } else { order }
    });
    array(list.into_iter().take(n))
}

fn sort_array(arguments: &Named<'_>, scope: &Scope<'_>) -> Result<Value, QueryError> {
    if is_nullish(arguments.get("input")) {
        return null();
    }
    let Some(mut list) = items(arguments.get("input"))? else {
        return Err(wrong_type(
            2942504,
            format!(
                "The input argument to $sortArray must be an array, but was of type: {}",
                type_name(arguments.get("input"))
            ),
        ));
    };
    let collation = scope.context.collation.as_deref();
    match arguments.get("sortBy") {
        Some(RawBson::Document(pattern)) => {
            let sort = Sort::parse(pattern)?;
            let sorter = Sorter::compile(&sort, scope.context)?;
            let mut keyed = Vec::with_capacity(list.len());
            for item in list {
                let key = match &item {
                    RawBson::Document(document) => sorter.key(document)?,
                    _ => sorter.key(fieldveil_query::document::empty())?,
                };
                keyed.push((key, item));
            }
            keyed.sort_by(|(left, _), (right, _)| sorter.compare(left, right));
            array(keyed.into_iter().map(|(_, item)| item))
        }
        direction => {
            let descending = match int32(direction) {
                Some(1) => false,
                Some(-1) => true,
                _ => {
                    return Err(wrong_type(
                        2942507,
                        "The $sort element value must be either 1 or -1".to_owned(),
                    ));
                }
            };
            list.sort_by(|left, right| {
                let order =
                    compare_with(left.as_raw_bson_ref(), right.as_raw_bson_ref(), collation);
                if descending { order.reverse() } else { order }
            });
            array(list)
        }
    }
}

fn zip(arguments: &Named<'_>, _: &Scope<'_>) -> Result<Value, QueryError> {
    let Some(inputs) = items(arguments.get("inputs"))? else {
        return Err(wrong_type(
            34461,
            format!(
                "inputs must be an array of expressions, found {}",
                type_name(arguments.get("inputs"))
            ),
        ));
    };
    let longest = match arguments.get("useLongestLength") {
        None => false,
        Some(RawBson::Boolean(longest)) => *longest,
        other => {
            return Err(wrong_type(
                34463,
                format!("useLongestLength must be a bool, found {}", type_name(other)),
            ));
        }
    };
    if inputs.is_empty() {
        return Err(wrong_type(34465, "$zip requires at least one input array".to_owned()));
    }
    let mut lists = Vec::new();
    for input in inputs {
        match input.as_raw_bson_ref() {
            RawBsonRef::Null | RawBsonRef::Undefined => return null(),
            RawBsonRef::Array(_) => match &input {
                RawBson::Array(list) => lists.push(elements(list)?),
                _ => lists.push(Vec::new()),
            },
            _ => {
                return Err(wrong_type(
                    34468,
                    format!(
                        "$zip found a non-array expression in input: {}",
                        type_name(&Some(input))
                    ),
                ));
            }
        }
    }
    let defaults = match items(arguments.get("defaults"))? {
        Some(_) if !longest => {
            return Err(wrong_type(
                34466,
                "cannot specify defaults unless useLongestLength is true".to_owned(),
            ));
        }
        Some(defaults) if defaults.len() != lists.len() => {
            return Err(wrong_type(
                34467,
                "defaults and inputs must have the same length".to_owned(),
            ));
        }
        Some(defaults) => defaults,
        None => Vec::new(),
    };
    let lengths = lists.iter().map(Vec::len);
    let rows = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let cells = lists.iter().enumerate().map(|(column, list)| {
            list.get(row).or_else(|| defaults.get(column)).cloned().unwrap_or(RawBson::Null)
        });
        out.extend(array(cells)?);
    }
    array(out)
}
