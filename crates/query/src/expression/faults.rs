//! Arguments by name that are wrong: MongoDB has codes and texts for each operator.

use crate::QueryError;

/// Arguments of a type other than object, which `found` names.
pub(super) fn not_an_object(operator: &str, found: &str) -> QueryError {
    let (code, text) = match operator {
        "$let" => (16874, format!("{operator} only supports an object as its argument")),
        "$map" => (16878, format!("{operator} only supports an object as its argument")),
        "$filter" => (28646, format!("{operator} only supports an object as its argument")),
        "$dateToString" => (18629, format!("{operator} only supports an object as its argument")),
        "$dateFromParts" => (40519, format!("{operator} only supports an object as its argument")),
        "$dateToParts" => (40524, format!("{operator} only supports an object as its argument")),
        "$dateTrunc" => (5439007, format!("{operator} only supports an object as its argument")),
        "$dateDiff" => (5166301, format!("{operator} only supports an object as its argument")),
        "$setField" | "$unsetField" => {
            (4161100, format!("{operator} only supports an object as its argument"))
        }
        "$dateAdd" | "$dateSubtract" => (
            5166400,
            format!("{operator} expects an object as its argument.found input type:{found}"),
        ),
        "$reduce" => {
            (40075, format!("{operator} requires an object as an argument, found: {found}"))
        }
        "$switch" => {
            (40060, format!("{operator} requires an object as an argument, found: {found}"))
        }
        "$sortArray" => {
            (2942500, format!("{operator} requires an object as an argument, found: {found}"))
        }
        "$replaceOne" | "$replaceAll" => {
            (51751, format!("{operator} requires an object as an argument, found: {found}"))
        }
        "$zip" => {
            (34460, format!("{operator} only supports an object as an argument, found {found}"))
        }
        "$trim" | "$ltrim" | "$rtrim" => {
            (50696, format!("{operator} only supports an object as an argument, found {found}"))
        }
        "$dateFromString" => {
            (40540, format!("{operator} only supports an object as an argument, found: {found}"))
        }
        "$regexMatch" | "$regexFind" | "$regexFindAll" => {
            (51103, format!("{operator} expects an object of named arguments but found: {found}"))
        }
        "$convert" => {
            (9, format!("{operator} expects an object of named arguments but found: {found}"))
        }
        "$firstN" | "$lastN" | "$maxN" | "$minN" => {
            (5787900, format!("specification must be an object; found {operator}: {found}"))
        }
        "$median" => {
            (7436100, format!("specification must be an object; found {operator}: {found}"))
        }
        "$percentile" => {
            (7429703, format!("specification must be an object; found {operator}: {found}"))
        }
        _ => (9, format!("{operator} only supports an object as its argument, found {found}")),
    };
    QueryError::new(code, text)
}

/// An argument that the operator does not have.
pub(super) fn unknown(operator: &str, key: &str) -> QueryError {
    let (code, text) = match operator {
        "$cond" => (17083, format!("Unrecognized parameter to {operator}: {key}")),
        "$let" => (16875, format!("Unrecognized parameter to {operator}: {key}")),
        "$map" => (16879, format!("Unrecognized parameter to {operator}: {key}")),
        "$filter" => (28647, format!("Unrecognized parameter to {operator}: {key}")),
        "$dateToString" => (18534, format!("Unrecognized argument to {operator}: {key}")),
        "$dateFromString" => (40541, format!("Unrecognized argument to {operator}: {key}")),
        "$dateFromParts" => (40518, format!("Unrecognized argument to {operator}: {key}")),
        "$dateToParts" => (40520, format!("Unrecognized argument to {operator}: {key}")),
        "$dateDiff" => (5166302, format!("Unrecognized argument to {operator}: {key}")),
        "$dateTrunc" => (
            5439008,
            format!(
                "Unrecognized argument to {operator}: {key}. Expected arguments are date, unit, \
                 and optionally, binSize, timezone, startOfWeek"
            ),
        ),
        "$dateAdd" | "$dateSubtract" => (
            5166401,
            format!(
                "Unrecognized argument to {operator}: {key}. Expected arguments are startDate, \
                 unit, amount, and optionally timezone."
            ),
        ),
        "$reduce" => (40076, format!("{operator} found an unknown argument: {key}")),
        "$switch" => (40067, format!("{operator} found an unknown argument: {key}")),
        "$zip" => (34464, format!("{operator} found an unknown argument: {key}")),
        "$trim" | "$ltrim" | "$rtrim" => {
            (50694, format!("{operator} found an unknown argument: {key}"))
        }
        "$regexMatch" | "$regexFind" | "$regexFindAll" => {
            (31024, format!("{operator} found an unknown argument: {key}"))
        }
        "$replaceOne" | "$replaceAll" => {
            (51750, format!("{operator} found an unknown argument: {key}"))
        }
        "$convert" => (9, format!("{operator} found an unknown argument: {key}")),
        "$getField" => (3041701, format!("{operator} found an unknown argument: {key}")),
        "$setField" | "$unsetField" => {
            (4161101, format!("{operator} found an unknown argument: {key}"))
        }
        "$sortArray" => (2942501, format!("{operator} found an unknown argument: {key}")),
        "$firstN" | "$lastN" | "$maxN" | "$minN" => {
            (5787901, format!("Unknown argument for 'n' operator: {key}"))
        }
        "$median" | "$percentile" => {
            (40415, format!("BSON field '{operator}.{key}' is an unknown field."))
        }
        _ if is_date_part(operator) => {
            (40535, format!("unrecognized option to {operator}: \"{key}\""))
        }
        _ => (9, format!("Unrecognized parameter to {operator}: {key}")),
    };
    QueryError::new(code, text)
}

/// An argument that has to be there and is not.
pub(super) fn missing(operator: &str, key: &str) -> QueryError {
    let parameter = |code| (code, format!("Missing '{key}' parameter to {operator}"));
    let required = |code| (code, format!("{operator} requires '{key}' to be specified"));
    let (code, text) = match (operator, key) {
        ("$cond", "if") => parameter(17080),
        ("$cond", "then") => parameter(17081),
        ("$cond", _) => parameter(17082),
        ("$let", "vars") => parameter(16876),
        ("$let", _) => parameter(16877),
        ("$map", "input") => parameter(16880),
        ("$map", _) => parameter(16882),
        ("$filter", "input") => parameter(28648),
        ("$filter", _) => parameter(28650),
        ("$dateToString", _) => parameter(18628),
        ("$dateFromString", _) => parameter(40542),
        ("$dateToParts", _) => parameter(40522),
        ("$dateTrunc", "date") => parameter(5439009),
        ("$dateTrunc", _) => parameter(5439010),
        ("$dateDiff", "startDate") => parameter(5166303),
        ("$dateDiff", "endDate") => parameter(5166304),
        ("$dateDiff", _) => parameter(5166305),
        ("$dateAdd" | "$dateSubtract", _) => {
            (5166402, format!("{operator} requires startDate, unit, and amount to be present"))
        }
        ("$reduce", "input") => required(40077),
        ("$reduce", "initialValue") => required(40078),
        ("$reduce", _) => required(40079),
        ("$replaceOne" | "$replaceAll", "input") => required(51749),
        ("$replaceOne" | "$replaceAll", "find") => required(51748),
        ("$replaceOne" | "$replaceAll", _) => required(51747),
        ("$getField", _) => required(3041702),
        ("$setField" | "$unsetField", "field") => required(4161102),
        ("$setField" | "$unsetField", "value") => required(4161103),
        ("$setField" | "$unsetField", _) => required(4161109),
        ("$sortArray", "input") => required(2942502),
        ("$sortArray", _) => required(2942503),
        ("$switch", _) => (40068, format!("{operator} requires at least one branch.")),
        ("$zip", _) => (34465, format!("{operator} requires at least one input array")),
        ("$trim" | "$ltrim" | "$rtrim", _) => {
            (50695, format!("{operator} requires an '{key}' field"))
        }
        ("$regexMatch" | "$regexFind" | "$regexFindAll", "input") => {
            (31022, format!("{operator} requires '{key}' parameter"))
        }
        ("$regexMatch" | "$regexFind" | "$regexFindAll", _) => {
            (31023, format!("{operator} requires '{key}' parameter"))
        }
        ("$firstN" | "$lastN" | "$maxN" | "$minN", "n") => {
            (5787906, format!("Missing value for '{key}'"))
        }
        ("$firstN" | "$lastN" | "$maxN" | "$minN", _) => {
            (5787907, format!("Missing value for '{key}'"))
        }
        ("$median" | "$percentile", _) => {
            (40414, format!("BSON field '{operator}.{key}' is missing but a required field"))
        }
        _ if is_date_part(operator) => (40539, format!("missing '{key}' argument to {operator}")),
        _ => parameter(9),
    };
    QueryError::new(code, text)
}

/// A number of arguments in an array that the operator does not take.
pub(super) fn count(operator: &str, min: usize, max: usize, count: usize) -> QueryError {
    let (code, text) = match operator {
        "$ifNull" => (1257300, format!("$ifNull needs at least two arguments, had: {count}")),
        "$setEquals" => (17045, format!("$setEquals needs at least two arguments had: {count}")),
        _ if is_date_part(operator) => (
            40536,
            format!(
                "{operator} accepts exactly one argument if given an array, but was given {count}"
            ),
        ),
        _ if min == max => (
            16020,
            format!("Expression {operator} takes exactly {min} arguments. {count} were passed in."),
        ),
        _ => (
            28667,
            format!(
                "Expression {operator} takes at least {min} arguments, and at most {max}, but \
                 {count} were passed in."
            ),
        ),
    };
    QueryError::new(code, text)
}

fn is_date_part(operator: &str) -> bool {
    matches!(
        operator,
        "$dayOfMonth"
            | "$dayOfWeek"
            | "$dayOfYear"
            | "$hour"
            | "$isoDayOfWeek"
            | "$isoWeek"
            | "$isoWeekYear"
            | "$millisecond"
            | "$minute"
            | "$month"
            | "$second"
            | "$week"
            | "$year"
    )
}
