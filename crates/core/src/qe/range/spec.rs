//! What markings say of a value or a range to be indexed.

use super::{Domain, Encoded, Levels, RangeError, RangeValue, encode, minimal_cover};
use crate::qe::RangeOptions;
use crate::raw::{Element, Elements, kind};

/// `{v, min, max, precision?: int32, trimFactor?: int32}`: a value to store.
pub(crate) struct InsertSpec<'a> {
    pub(crate) value: Element<'a>,
    pub(crate) index: Index<'a>,
}

/// Parameters of an index.
pub(crate) struct Index<'a> {
    pub(crate) min: Element<'a>,
    pub(crate) max: Element<'a>,
    pub(crate) precision: Option<i32>,
    pub(crate) trim_factor: Option<i32>,
}

/// `{edgesInfo?, payloadId: int32, firstOperator: int32, secondOperator?: int32}`: a range to look for,
/// or the second half of one.
pub(crate) struct FindSpec<'a> {
    pub(crate) query: Option<RangeQuery<'a>>,
    pub(crate) payload_id: i32,
    pub(crate) first_operator: i32,
    pub(crate) second_operator: Option<i32>,
}

/// `{lowerBound, lbIncluded, upperBound, ubIncluded, indexMin, indexMax, precision?, trimFactor?}`
pub(crate) struct RangeQuery<'a> {
    lower: Element<'a>,
    includes_lower: bool,
    upper: Element<'a>,
    includes_upper: bool,
    pub(crate) index: Index<'a>,
}

/// An operator of a range; its number is that of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeOperator {
    Gt = 1,
    Gte = 2,
    Lt = 3,
    Lte = 4,
}

impl RangeOperator {
    /// The operator of this name.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"$gt" => Some(Self::Gt),
            b"$gte" => Some(Self::Gte),
            b"$lt" => Some(Self::Lt),
            b"$lte" => Some(Self::Lte),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gt => "$gt",
            Self::Gte => "$gte",
            Self::Lt => "$lt",
            Self::Lte => "$lte",
        }
    }

    /// Whether it bounds from below.
    pub(crate) fn is_lower(self) -> bool {
        matches!(self, Self::Gt | Self::Gte)
    }

    /// Whether it includes its bound.
    pub(crate) fn is_inclusive(self) -> bool {
        matches!(self, Self::Gte | Self::Lte)
    }
}

impl<'a> InsertSpec<'a> {
    /// Reads the value of a marking.
    pub(crate) fn parse(value: &Element<'a>) -> Result<Self, RangeError> {
        let fields = Fields::read("FLE2RangeInsertSpec", value)?;
        Ok(Self {
            value: fields.take("v")?,
            index: Index {
                min: fields.take("min")?,
                max: fields.take("max")?,
                precision: fields.not_negative("precision")?,
                trim_factor: fields.not_negative("trimFactor")?,
            },
        })
    }
}

impl Index<'_> {
    /// The domain of the values. Bounds of doubles and decimals count only with a precision.
    fn domain(&self) -> Result<Domain, RangeError> {
        let (min, max) = (RangeValue::of(&self.min)?, RangeValue::of(&self.max)?);
        let is_fractional = matches!(min, RangeValue::Double(_) | RangeValue::Decimal(_));
        let counts = !is_fractional || self.precision.is_some();
        let precision = self.precision.filter(|_| is_fractional);
        Ok(Domain { bounds: counts.then_some((min, max)), precision })
    }

    /// Maps a value into the domain.
    pub(crate) fn encode(&self, value: &RangeValue) -> Result<Encoded, RangeError> {
        encode(value, &self.domain()?)
    }
}

impl<'a> FindSpec<'a> {
    /// Reads the value of a marking.
    pub(crate) fn parse(value: &Element<'a>) -> Result<Self, RangeError> {
        let fields = Fields::read("FLE2RangeFindSpec", value)?;
        let query = match fields.find("edgesInfo") {
            Some(element) => Some(RangeQuery::parse(&element)?),
            None => None,
        };
        let first_operator = fields.operator("firstOperator")?;
        Ok(Self {
            query,
            payload_id: fields.int32("payloadId")?.ok_or_else(|| fields.missing("payloadId"))?,
            first_operator: first_operator.ok_or_else(|| fields.missing("firstOperator"))?,
            second_operator: fields.operator("secondOperator")?.filter(|operator| *operator != 0),
        })
    }
}

impl<'a> RangeQuery<'a> {
    fn parse(value: &Element<'a>) -> Result<Self, RangeError> {
        let fields = Fields::read("FLE2RangeFindSpecEdgesInfo", value)?;
        Ok(Self {
            lower: fields.take("lowerBound")?,
            includes_lower: fields.bool("lbIncluded")?,
            upper: fields.take("upperBound")?,
            includes_upper: fields.bool("ubIncluded")?,
            index: Index {
                min: fields.take("indexMin")?,
                max: fields.take("indexMax")?,
                precision: fields.not_negative("precision")?,
                trim_factor: fields.not_negative("trimFactor")?,
            },
        })
    }

    /// The minimal cover of the range, and the trim factor that was used for it.
    pub(crate) fn cover(&self, sparsity: i64) -> Result<(Vec<String>, i32), RangeError> {
        if self.index.min.kind != self.index.max.kind {
            return Err(RangeError::TypeMismatch(format!(
                "indexMin and indexMax must have the same type. Got: {} indexMin and {} indexMax",
                kind::name(self.index.min.kind),
                kind::name(self.index.max.kind)
            )));
        }
        let (lower, includes_lower) =
            self.bound("lowerBound", &self.lower, self.includes_lower, &self.index.min)?;
        let (upper, includes_upper) =
            self.bound("upperBound", &self.upper, self.includes_upper, &self.index.max)?;
        self.check_against_index(&lower, includes_lower, &upper, includes_upper)?;
        let low = self.index.encode(&lower)?;
        let high = self.index.encode(&upper)?;
        let excluded = "Lower bound must be less than the range maximum if lower bound is excluded \
                        from range.";
        let first = if includes_lower {
            low.value
        } else if low.value >= low.max {
            return Err(RangeError::QueryBounds(excluded));
        } else {
            low.value + 1
        };
        let excluded = "Upper bound must be greater than the range minimum if upper bound is \
                        excluded from range.";
        let last = if includes_upper {
            high.value
        } else {
            high.value.checked_sub(1).ok_or(RangeError::QueryBounds(excluded))?
        };
        if first > last {
            return Err(RangeError::EmptyQuery);
        }
        let levels = Levels::new(low.bits(), sparsity, self.index.trim_factor)?;
        Ok((minimal_cover(first, last, &levels)?, levels.trim_factor()))
    }

    /// A bound, or the index's own where the range is open.
    fn bound(
        &self,
        name: &str,
        bound: &Element<'a>,
        is_included: bool,
        of_index: &Element<'a>,
    ) -> Result<(RangeValue, bool), RangeError> {
        if let Ok(value) = RangeValue::of(bound)
            && value.is_infinite()
        {
            return Ok((RangeValue::of(of_index)?, true));
        }
        if bound.kind != self.index.min.kind {
            return Err(RangeError::TypeMismatch(format!(
                "expected {name} to match index type {}, got {}",
                kind::name(self.index.min.kind),
                kind::name(bound.kind)
            )));
        }
        Ok((RangeValue::of(bound)?, is_included))
    }

    fn check_against_index(
        &self,
        lower: &RangeValue,
        includes_lower: bool,
        upper: &RangeValue,
        includes_upper: bool,
    ) -> Result<(), RangeError> {
        let Some((min, max)) = self.index.domain()?.bounds else { return Ok(()) };
        let problem = if upper.compare(&min).is_some_and(std::cmp::Ordering::is_lt) {
            "Upper bound must be greater than or equal to the range minimum"
        } else if !includes_upper && !min.compare(upper).is_some_and(std::cmp::Ordering::is_lt) {
            "Upper bound must be greater than the range minimum if upper bound is excluded from range"
        } else if max.compare(lower).is_some_and(std::cmp::Ordering::is_lt) {
            "Lower bound must be less than or equal to the range maximum"
        } else if !includes_lower && !lower.compare(&max).is_some_and(std::cmp::Ordering::is_lt) {
            "Lower bound must be less than the range maximum if lower bound is excluded from range"
        } else {
            return Ok(());
        };
        Err(RangeError::QueryBounds(problem))
    }
}

impl RangeOptions {
    /// The parameters of an index for values of this type, as explicit encryption gives them.
    ///
    /// # Errors
    /// If a bound is missing or has another type.
    pub(crate) fn bound(
        &self,
        name: &'static str,
        value_kind: u8,
    ) -> Result<(u8, Vec<u8>), RangeError> {
        let (bound, is_min) = if name == "min" { (&self.min, true) } else { (&self.max, false) };
        if let Some(bound) = bound {
            if bound.kind != value_kind {
                let (bound, value) = (kind::name(bound.kind), kind::name(value_kind));
                return Err(RangeError::OptionType { name, bound, value });
            }
            return Ok((bound.kind, bound.value.clone()));
        }
        match value_kind {
            kind::INT32 | kind::INT64 | kind::DATE => {
                Err(RangeError::OptionMissing { name, value: kind::name(value_kind) })
            }
            kind::DOUBLE => {
                let largest = if is_min { f64::MIN } else { f64::MAX };
                Ok((value_kind, largest.to_le_bytes().to_vec()))
            }
            kind::DECIMAL128 => Ok((value_kind, largest_decimal(is_min).to_le_bytes().to_vec())),
            _ => Err(RangeError::UnsupportedType(kind::name(value_kind))),
        }
    }

    /// Checks the trim factor against values of this type.
    pub(crate) fn check_trim_factor(&self, value_kind: u8) -> Result<(), RangeError> {
        let Some(trim_factor) = self.trim_factor else { return Ok(()) };
        let (_, min) = self.bound("min", value_kind)?;
        let (_, max) = self.bound("max", value_kind)?;
        let element = |value| Element { kind: value_kind, name: b"", value };
        let index = Index {
            min: element(&min),
            max: element(&max),
            precision: self.precision,
            trim_factor: None,
        };
        let bits = index.encode(&RangeValue::read(value_kind, &min)?)?.bits();
        if trim_factor.unsigned_abs() >= bits.max(1) {
            return Err(RangeError::OptionTrimFactor { bits, trim_factor });
        }
        Ok(())
    }
}

/// `±9.999999999999999999999999999999999E+6144`
fn largest_decimal(is_negative: bool) -> u128 {
    let exponent: u128 = 0x2FFF;
    let sign = if is_negative { 1 << 127 } else { 0 };
    sign | exponent << 113 | (10_u128.pow(34) - 1)
}

/// The fields of a specification; those that are not known are skipped.
struct Fields<'a> {
    spec: &'static str,
    elements: Vec<Element<'a>>,
}

impl<'a> Fields<'a> {
    fn read(spec: &'static str, value: &Element<'a>) -> Result<Self, RangeError> {
        let problem = |problem: &str| RangeError::Spec { spec, problem: problem.to_owned() };
        let document =
            value.as_document().ok_or_else(|| problem("must be an iterator to a document"))?;
        let mut elements: Vec<Element<'a>> = Vec::new();
        for element in Elements::of(document).map_err(|_| problem("invalid BSON"))? {
            let element = element.map_err(|_| problem("invalid BSON"))?;
            if elements.iter().any(|other| other.name == element.name) {
                let name = element.name_lossy();
                return Err(problem(&format!("Duplicate field '{name}' in placeholder bson")));
            }
            elements.push(element);
        }
        Ok(Self { spec, elements })
    }

    fn find(&self, name: &str) -> Option<Element<'a>> {
        self.elements.iter().find(|element| element.name == name.as_bytes()).copied()
    }

    fn take(&self, name: &'static str) -> Result<Element<'a>, RangeError> {
        self.find(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> RangeError {
        self.problem(format!("Missing field '{name}' in placeholder"))
    }

    fn problem(&self, problem: String) -> RangeError {
        RangeError::Spec { spec: self.spec, problem }
    }

    fn int32(&self, name: &str) -> Result<Option<i32>, RangeError> {
        let Some(element) = self.find(name) else { return Ok(None) };
        let wrong_type = || self.problem(format!("'{name}' must be an int32"));
        element.as_i32().map(Some).ok_or_else(wrong_type)
    }

    fn not_negative(&self, name: &str) -> Result<Option<i32>, RangeError> {
        match self.int32(name)? {
            Some(..0) => Err(self.problem(format!("'{name}' must be non-negative"))),
            value => Ok(value),
        }
    }

    fn operator(&self, name: &str) -> Result<Option<i32>, RangeError> {
        match self.int32(name)? {
            None => Ok(None),
            Some(operator @ 0..=4) => Ok(Some(operator)),
            Some(_) => Err(self.problem(format!("'{name}' must be between 0 and 4"))),
        }
    }

    fn bool(&self, name: &str) -> Result<bool, RangeError> {
        let element = self.find(name).ok_or_else(|| self.missing(name))?;
        element.as_bool().ok_or_else(|| self.problem(format!("'{name}' must be a bool")))
    }
}
