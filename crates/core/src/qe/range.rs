//! Range indexes: values as unsigned integers, edges of stored values, covers of queried ranges.
//!
//! A value maps to `x` of a domain `0 ..= X`. Written in binary with as many digits as `X` has, each
//! prefix of `x` stands for the block of all values that share it. A stored value is indexed under
//! some of its prefixes (its *edges*); a range is the union of few blocks (its *minimal cover*).

mod cover;
mod decimal;
mod encode;
mod spec;
mod value;

pub(crate) use cover::{Levels, edges, minimal_cover};
pub(crate) use encode::{Domain, Encoded, encode};
pub(crate) use spec::{FindSpec, InsertSpec, RangeOperator};
pub(crate) use value::RangeValue;

/// Why a value or a range cannot be indexed or looked for. The bounds of the index are shown, values
/// and bounds of queries are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// A type without order.
    #[error("unsupported BSON type: {0} for range")]
    UnsupportedType(&'static str),
    /// Two types where one is needed.
    #[error("{0}")]
    TypeMismatch(String),
    /// NaN or infinite.
    #[error("Infinity and NaN double values are not supported.")]
    NotFiniteDouble,
    /// NaN or infinite.
    #[error("Infinity and Nan Decimal128 values are not supported.")]
    NotFiniteDecimal,
    /// Bounds in the wrong order.
    #[error("The minimum value must be less than the maximum value, got min: {min}, max: {max}")]
    Bounds {
        /// Lower bound of the index.
        min: String,
        /// Upper bound of the index.
        max: String,
    },
    /// A value outside of the index.
    #[error(
        "Value must be greater than or equal to the minimum value and less than or equal to the \
         maximum value, got min: {min}, max: {max}"
    )]
    OutOfBounds {
        /// Lower bound of the index.
        min: String,
        /// Upper bound of the index.
        max: String,
    },
    /// One bound, or bounds without precision.
    #[error("min, max, and precision must all be set or must all be unset")]
    PrecisionWithoutBounds,
    /// Only one bound.
    #[error("Must specify both a lower and upper bound or no bounds.")]
    OneBound,
    /// Negative precision.
    #[error("Precision must be non-negative, but got {0}")]
    NegativePrecision(i32),
    /// More digits than a number can have.
    #[error("Precision is too large and cannot be used to calculate the scaled range bounds")]
    PrecisionTooLarge,
    /// More digits than the domain leaves room for.
    #[error("Invalid value for precision. precision: {0}")]
    Precision(i32),
    /// A bound with more digits than the precision.
    #[error(
        "Invalid {side} bound for {kind} precision. Fractional digits must be less than the \
         specified precision value. {bound}"
    )]
    BoundDigits {
        /// `upper` or `lower`
        side: &'static str,
        /// The type of the index.
        kind: &'static str,
        /// The bound, and what else is told of it.
        bound: String,
    },
    /// A bound beyond what can be scaled.
    #[error(
        "Invalid {side} bound for {kind} precision. Absolute scaled value of {name} must be less \
         than {limit}. {name}: {bound}"
    )]
    BoundSize {
        /// `upper` or `lower`
        side: &'static str,
        /// The type of the index.
        kind: &'static str,
        /// `max` or `min`
        name: &'static str,
        /// What it must be below.
        limit: &'static str,
        /// The bound.
        bound: String,
    },
    /// A domain with too many values.
    #[error(
        "The domain of {kind} values specified by the min, max, and precision cannot be \
         represented in fewer than {bits} bits. min: {min}, max: {max}, precision: {precision}"
    )]
    DomainTooLarge {
        /// The type of the index.
        kind: &'static str,
        /// How many bits there are.
        bits: u32,
        /// Lower bound of the index.
        min: String,
        /// Upper bound of the index.
        max: String,
        /// Digits behind the point.
        precision: i32,
    },
    /// No sparsity.
    #[error("sparsity must be 1 or larger")]
    Sparsity,
    /// A negative trim factor.
    #[error("trimFactor must be >= 0, but got {0}")]
    NegativeTrimFactor(i32),
    /// A trim factor that leaves no level.
    #[error(
        "trimFactor must be less than the number of bits ({bits}) used to represent an element of \
         the domain, but got {trim_factor}"
    )]
    TrimFactor {
        /// Bits of an element.
        bits: u32,
        /// The trim factor.
        trim_factor: i32,
    },
    /// The same, found in the options.
    #[error(
        "Error appending trim factor to FLE2RangeInsertSpec: Trim factor ({trim_factor}) must be \
         less than the total number of bits ({bits}) used to represent any element in the domain."
    )]
    OptionTrimFactor {
        /// Bits of an element.
        bits: u32,
        /// The trim factor.
        trim_factor: i32,
    },
    /// A bound of the options that has another type than the value.
    #[error(
        "Error appending {name} to FLE2RangeInsertSpec: expected matching '{name}' and value type. \
         Got range option '{name}' of type {bound} and value of type {value}"
    )]
    OptionType {
        /// `min` or `max`
        name: &'static str,
        /// Type of the bound.
        bound: &'static str,
        /// Type of the value.
        value: &'static str,
    },
    /// A bound that is missing from the options.
    #[error(
        "Error appending {name} to FLE2RangeInsertSpec: Range option '{name}' is required for \
         type: {value}"
    )]
    OptionMissing {
        /// `min` or `max`
        name: &'static str,
        /// Type of the value.
        value: &'static str,
    },
    /// A query beyond the index.
    #[error("{0}")]
    QueryBounds(&'static str),
    /// A query whose lower bound is above its upper bound.
    #[error("Range min must be less than or equal to range max for range search")]
    EmptyQuery,
    /// A query that needs more blocks than fit a document.
    #[error("range query needs more than {limit} edges; use a smaller trim factor or sparsity")]
    TooManyEdges {
        /// How many are allowed.
        limit: usize,
    },
    /// A specification from query analysis is malformed.
    #[error("Error parsing {spec}: {problem}")]
    Spec {
        /// Which one.
        spec: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// An expression of another shape.
    #[error("error transforming BSON for FLE2RangeFindDriverSpec: {0}")]
    Expression(String),
}
