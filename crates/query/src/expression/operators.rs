//! Which expression operators exist, and the form of their arguments.

/// An expression operator of MongoDB's manual.
#[derive(Debug)]
pub struct Operator {
    /// With its `$`.
    pub name: &'static str,
    /// What arguments it takes.
    pub shape: Shape,
}

/// The form of an operator's arguments.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Between `min` and `max` expressions; one alone needs no array.
    Positional {
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A document with these keys.
    Named {
        /// Keys that must be there.
        required: &'static [&'static str],
        /// Keys that may be.
        optional: &'static [&'static str],
    },
    /// Either `count` expressions or a document with these keys.
    Either {
        /// Number of expressions in the positional form.
        count: usize,
        /// Keys that must be there in the named form.
        required: &'static [&'static str],
        /// Keys that may be.
        optional: &'static [&'static str],
    },
    /// Nothing: `{}`.
    Empty,
    /// A plain string.
    Text,
    /// A value that is not read as an expression.
    Literal,
}

/// The operator with a name, which includes its `$`.
pub fn find(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.name == name)
}

const ONE: Shape = exactly(1);
const TWO: Shape = exactly(2);
const THREE: Shape = exactly(3);
const ANY: Shape = Shape::Positional { min: 0, max: usize::MAX };
const DATE_PART: Shape = Shape::Either { count: 1, required: &["date"], optional: &["timezone"] };
const N_AND_INPUT: Shape = named(&["n", "input"], &[]);
const TRIM: Shape = named(&["input"], &["chars"]);
const REGEX: Shape = named(&["input", "regex"], &["options"]);
const REPLACE: Shape = named(&["input", "find", "replacement"], &[]);
const DATE_MOVE: Shape = named(&["startDate", "unit", "amount"], &["timezone"]);

const fn exactly(count: usize) -> Shape {
    Shape::Positional { min: count, max: count }
}

const fn between(min: usize, max: usize) -> Shape {
    Shape::Positional { min, max }
}

const fn named(required: &'static [&'static str], optional: &'static [&'static str]) -> Shape {
    Shape::Named { required, optional }
}

const fn operator(name: &'static str, shape: Shape) -> Operator {
    Operator { name, shape }
}

/// Every operator, in the manual's groups.
const OPERATORS: &[Operator] = &[
    // Arithmetic
    operator("$abs", ONE),
    operator("$add", ANY),
    operator("$ceil", ONE),
    operator("$divide", TWO),
    operator("$exp", ONE),
    operator("$floor", ONE),
    operator("$ln", ONE),
    operator("$log", TWO),
    operator("$log10", ONE),
    operator("$mod", TWO),
    operator("$multiply", ANY),
    operator("$pow", TWO),
    operator("$round", between(1, 2)),
    operator("$sigmoid", ONE),
    operator("$sqrt", ONE),
    operator("$subtract", TWO),
    operator("$trunc", between(1, 2)),
    // Arrays
    operator("$arrayElemAt", TWO),
    operator("$arrayToObject", ONE),
    operator("$concatArrays", ANY),
    operator("$filter", named(&["input", "cond"], &["as", "limit"])),
    operator("$firstN", N_AND_INPUT),
    operator("$in", TWO),
    operator("$indexOfArray", between(2, 4)),
    operator("$isArray", ONE),
    operator("$lastN", N_AND_INPUT),
    operator("$map", named(&["input", "in"], &["as"])),
    operator("$maxN", N_AND_INPUT),
    operator("$minN", N_AND_INPUT),
    operator("$objectToArray", ONE),
    operator("$range", between(2, 3)),
    operator("$reduce", named(&["input", "initialValue", "in"], &[])),
    operator("$reverseArray", ONE),
    operator("$size", ONE),
    operator("$slice", between(2, 3)),
    operator("$sortArray", named(&["input", "sortBy"], &[])),
    operator("$zip", named(&["inputs"], &["useLongestLength", "defaults"])),
    // Bits
    operator("$bitAnd", ANY),
    operator("$bitNot", ONE),
    operator("$bitOr", ANY),
    operator("$bitXor", ANY),
    // Booleans and comparison
    operator("$and", ANY),
    operator("$not", ONE),
    operator("$or", ANY),
    operator("$cmp", TWO),
    operator("$eq", TWO),
    operator("$gt", TWO),
    operator("$gte", TWO),
    operator("$lt", TWO),
    operator("$lte", TWO),
    operator("$ne", TWO),
    // Conditions
    operator("$cond", Shape::Either { count: 3, required: &["if", "then", "else"], optional: &[] }),
    operator("$ifNull", between(2, usize::MAX)),
    operator("$switch", named(&["branches"], &["default"])),
    // JavaScript
    operator("$function", named(&["body", "args", "lang"], &[])),
    operator(
        "$accumulator",
        named(
            &["init", "accumulate", "accumulateArgs", "merge", "lang"],
            &["initArgs", "finalize"],
        ),
    ),
    // Sizes
    operator("$binarySize", ONE),
    operator("$bsonSize", ONE),
    // Dates
    operator("$dateAdd", DATE_MOVE),
    operator("$dateDiff", named(&["startDate", "endDate", "unit"], &["timezone", "startOfWeek"])),
    operator(
        "$dateFromParts",
        named(
            &[],
            &[
                "year",
                "month",
                "day",
                "isoWeekYear",
                "isoWeek",
                "isoDayOfWeek",
                "hour",
                "minute",
                "second",
                "millisecond",
                "timezone",
            ],
        ),
    ),
    operator(
        "$dateFromString",
        named(&["dateString"], &["format", "timezone", "onError", "onNull"]),
    ),
    operator("$dateSubtract", DATE_MOVE),
    operator("$dateToParts", named(&["date"], &["timezone", "iso8601"])),
    operator("$dateToString", named(&["date"], &["format", "timezone", "onNull"])),
    operator("$dateTrunc", named(&["date", "unit"], &["binSize", "timezone", "startOfWeek"])),
    operator("$dayOfMonth", DATE_PART),
    operator("$dayOfWeek", DATE_PART),
    operator("$dayOfYear", DATE_PART),
    operator("$hour", DATE_PART),
    operator("$isoDayOfWeek", DATE_PART),
    operator("$isoWeek", DATE_PART),
    operator("$isoWeekYear", DATE_PART),
    operator("$millisecond", DATE_PART),
    operator("$minute", DATE_PART),
    operator("$month", DATE_PART),
    operator("$second", DATE_PART),
    operator("$week", DATE_PART),
    operator("$year", DATE_PART),
    operator("$tsIncrement", ONE),
    operator("$tsSecond", ONE),
    // Encrypted strings
    operator("$encStrStartsWith", named(&["input", "prefix"], &[])),
    operator("$encStrEndsWith", named(&["input", "suffix"], &[])),
    operator("$encStrContains", named(&["input", "substring"], &[])),
    operator("$encStrNormalizedEq", named(&["input", "string"], &[])),
    // Values as such, random, metadata
    operator("$literal", Shape::Literal),
    operator("$const", Shape::Literal),
    operator("$rand", Shape::Empty),
    operator("$meta", Shape::Text),
    // Objects
    operator("$getField", Shape::Either { count: 1, required: &["field"], optional: &["input"] }),
    operator("$mergeObjects", ANY),
    operator("$setField", named(&["field", "input", "value"], &[])),
    operator("$unsetField", named(&["field", "input"], &[])),
    // Sets
    operator("$allElementsTrue", ONE),
    operator("$anyElementTrue", ONE),
    operator("$setDifference", TWO),
    operator("$setEquals", between(2, usize::MAX)),
    operator("$setIntersection", ANY),
    operator("$setIsSubset", TWO),
    operator("$setUnion", ANY),
    // Strings
    operator("$concat", ANY),
    operator("$indexOfBytes", between(2, 4)),
    operator("$indexOfCP", between(2, 4)),
    operator("$ltrim", TRIM),
    operator("$regexFind", REGEX),
    operator("$regexFindAll", REGEX),
    operator("$regexMatch", REGEX),
    operator("$replaceAll", REPLACE),
    operator("$replaceOne", REPLACE),
    operator("$rtrim", TRIM),
    operator("$split", TWO),
    operator("$strcasecmp", TWO),
    operator("$strLenBytes", ONE),
    operator("$strLenCP", ONE),
    operator("$substr", THREE),
    operator("$substrBytes", THREE),
    operator("$substrCP", THREE),
    operator("$toLower", ONE),
    operator("$toUpper", ONE),
    operator("$trim", TRIM),
    // Trigonometry
    operator("$acos", ONE),
    operator("$acosh", ONE),
    operator("$asin", ONE),
    operator("$asinh", ONE),
    operator("$atan", ONE),
    operator("$atan2", TWO),
    operator("$atanh", ONE),
    operator("$cos", ONE),
    operator("$cosh", ONE),
    operator("$degreesToRadians", ONE),
    operator("$radiansToDegrees", ONE),
    operator("$sin", ONE),
    operator("$sinh", ONE),
    operator("$tan", ONE),
    operator("$tanh", ONE),
    // Types
    operator(
        "$convert",
        named(&["input", "to"], &["onError", "onNull", "format", "byteOrder", "base"]),
    ),
    operator("$isNumber", ONE),
    operator("$toBool", ONE),
    operator("$toDate", ONE),
    operator("$toDecimal", ONE),
    operator("$toDouble", ONE),
    operator("$toHashedIndexKey", ONE),
    operator("$toInt", ONE),
    operator("$toLong", ONE),
    operator("$toObjectId", ONE),
    operator("$toString", ONE),
    operator("$toUUID", ONE),
    operator("$type", ONE),
    // Variables
    operator("$let", named(&["vars", "in"], &[])),
    // Accumulators that are expressions too
    operator("$avg", ANY),
    operator("$first", ONE),
    operator("$last", ONE),
    operator("$max", ANY),
    operator("$median", named(&["input", "method"], &[])),
    operator("$min", ANY),
    operator("$percentile", named(&["input", "p", "method"], &[])),
    operator("$stdDevPop", ANY),
    operator("$stdDevSamp", ANY),
    operator("$sum", ANY),
];
