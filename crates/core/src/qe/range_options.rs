//! Options of range indexes, as given to explicit encryption.

use bson::RawDocument;

use crate::raw::{Element, Elements, MalformedBson, kind};

/// What sparsity is when none is given.
const DEFAULT_SPARSITY: i64 = 2;

/// `{min?, max?, sparsity?: int64, precision?: int32, trimFactor?: int32}`
#[derive(Clone, Debug, PartialEq)]
pub struct RangeOptions {
    pub(crate) min: Option<Bound>,
    pub(crate) max: Option<Bound>,
    pub(crate) sparsity: i64,
    pub(crate) precision: Option<i32>,
    pub(crate) trim_factor: Option<i32>,
}

/// A bound of a range index, as a BSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) kind: u8,
    pub(crate) value: Vec<u8>,
}

/// Why range options are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeOptionsError {
    /// The options are no document.
    #[error("Error parsing RangeOpts: Invalid BSON")]
    Malformed(#[from] MalformedBson),
    /// A field stands twice.
    #[error("Error parsing RangeOpts: Unexpected duplicate field '{0}'")]
    Duplicate(&'static str),
    /// A field that range options do not have.
    #[error("Error parsing RangeOpts: Unrecognized field: '{0}'")]
    UnknownField(String),
    /// `sparsity` has the wrong type.
    #[error("Error parsing RangeOpts: Expected int64 for sparsity, got: {0}")]
    SparsityType(&'static str),
    /// `sparsity` is negative.
    #[error("Error validating sparsity: sparsity must be non-negative, got: {0}")]
    Sparsity(i64),
    /// `trimFactor` has the wrong type.
    #[error("Error parsing RangeOpts: Expected int32 for trimFactor, got: {0}")]
    TrimFactorType(&'static str),
    /// `precision` has the wrong type.
    #[error("Error parsing RangeOpts: 'precision' must be an int32")]
    PrecisionType,
    /// A number that may not be negative.
    #[error("Error parsing RangeOpts: '{0}' must be non-negative")]
    Negative(&'static str),
    /// `precision` without a bound.
    #[error("Error parsing RangeOpts: setting precision requires {0}")]
    PrecisionWithout(&'static str),
    /// `precision` with bounds that have none.
    #[error(
        "Error parsing RangeOpts: expected 'precision' to be set with double or decimal128 index, \
         but got: {kind} {bound}"
    )]
    PrecisionKind {
        /// The type of the bound.
        kind: &'static str,
        /// Which bound.
        bound: &'static str,
    },
    /// Bounds of two types.
    #[error(
        "Error parsing RangeOpts: expected 'min' and 'max' to be same type, but got: {min} min and \
         {max} max"
    )]
    BoundKinds {
        /// The type of `min`.
        min: &'static str,
        /// The type of `max`.
        max: &'static str,
    },
    /// A fractional bound without `precision`.
    #[error("Error parsing RangeOpts: expected 'precision' to be set with '{bound}' for {kind}")]
    NoPrecision {
        /// Which bound.
        bound: &'static str,
        /// Its type.
        kind: &'static str,
    },
}

impl RangeOptions {
    /// Reads an options document.
    ///
    /// # Errors
    /// Unknown, repeated or mistyped fields, and combinations that make no sense.
    pub fn parse(document: &RawDocument) -> Result<Self, RangeOptionsError> {
        let (mut min, mut max) = (None, None);
        let (mut sparsity, mut precision, mut trim_factor) = (None, None, None);
        for element in Elements::of(document.as_bytes())? {
            let element = element?;
            match element.name {
                b"min" => once(&mut min, "min", bound(&element))?,
                b"max" => once(&mut max, "max", bound(&element))?,
                b"sparsity" => once(&mut sparsity, "sparsity", read_sparsity(&element)?)?,
                b"precision" => {
                    let value = element.as_i32().ok_or(RangeOptionsError::PrecisionType)?;
                    once(&mut precision, "precision", not_negative(value, "precision")?)?;
                }
                b"trimFactor" => {
                    let wrong_type = || RangeOptionsError::TrimFactorType(kind::name(element.kind));
                    let value = element.as_i32().ok_or_else(wrong_type)?;
                    once(&mut trim_factor, "trimFactor", not_negative(value, "trimFactor")?)?;
                }
                _ => return Err(RangeOptionsError::UnknownField(element.name_lossy())),
            }
        }
        let sparsity = sparsity.unwrap_or(DEFAULT_SPARSITY);
        let options = Self { min, max, sparsity, precision, trim_factor };
        options.check_bounds()?;
        Ok(options)
    }

    fn check_bounds(&self) -> Result<(), RangeOptionsError> {
        let bounds = [("min", &self.min), ("max", &self.max)];
        if self.precision.is_some() {
            for (name, bound) in bounds {
                match bound {
                    None => return Err(RangeOptionsError::PrecisionWithout(name)),
                    Some(bound) if !has_precision(bound.kind) => {
                        let kind = kind::name(bound.kind);
                        return Err(RangeOptionsError::PrecisionKind { kind, bound: name });
                    }
                    Some(_) => {}
                }
            }
        }
        if let (Some(min), Some(max)) = (&self.min, &self.max)
            && min.kind != max.kind
        {
            let (min, max) = (kind::name(min.kind), kind::name(max.kind));
            return Err(RangeOptionsError::BoundKinds { min, max });
        }
        for (name, bound) in bounds {
            if let Some(bound) = bound
                && has_precision(bound.kind)
                && self.precision.is_none()
            {
                let kind = kind::name(bound.kind);
                return Err(RangeOptionsError::NoPrecision { bound: name, kind });
            }
        }
        Ok(())
    }
}

/// Whether values of this type have digits behind the point.
fn has_precision(value_kind: u8) -> bool {
    matches!(value_kind, kind::DOUBLE | kind::DECIMAL128)
}

fn bound(element: &Element<'_>) -> Bound {
    Bound { kind: element.kind, value: element.value.to_vec() }
}

fn read_sparsity(element: &Element<'_>) -> Result<i64, RangeOptionsError> {
    match element.as_i64() {
        None => Err(RangeOptionsError::SparsityType(kind::name(element.kind))),
        Some(sparsity @ ..0) => Err(RangeOptionsError::Sparsity(sparsity)),
        Some(sparsity) => Ok(sparsity),
    }
}

fn not_negative(value: i32, field: &'static str) -> Result<i32, RangeOptionsError> {
    if value < 0 { Err(RangeOptionsError::Negative(field)) } else { Ok(value) }
}

fn once<T>(slot: &mut Option<T>, field: &'static str, value: T) -> Result<(), RangeOptionsError> {
    match slot.replace(value) {
        Some(_) => Err(RangeOptionsError::Duplicate(field)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn options_are_read_with_their_defaults() {
        let options = RangeOptions::parse(&rawdoc! { "min": 1, "max": 9 }).unwrap();
        assert_eq!(options.sparsity, 2);
        assert_eq!(options.trim_factor, None);
        assert_eq!(options.min.unwrap().kind, kind::INT32);
        let options = rawdoc! { "min": 1.0, "max": 9.0, "precision": 2, "trimFactor": 1 };
        assert_eq!(RangeOptions::parse(&options).unwrap().precision, Some(2));
    }

    #[test]
    fn wrong_options_are_refused_with_the_published_texts() {
        for (document, text) in [
            (rawdoc! { "sparsity": 1 }, "Expected int64 for sparsity, got: INT32"),
            (rawdoc! { "precision": 1_i64 }, "'precision' must be an int32"),
            (rawdoc! { "precision": -1 }, "'precision' must be non-negative"),
            (rawdoc! { "trimFactor": 1_i64 }, "Expected int32 for trimFactor, got: INT64"),
            (rawdoc! { "trimFactor": -1 }, "'trimFactor' must be non-negative"),
            (rawdoc! { "x": -1 }, "Unrecognized field: 'x'"),
            (rawdoc! { "precision": 1 }, "setting precision requires min"),
            (rawdoc! { "precision": 1, "min": 1.0 }, "setting precision requires max"),
            (
                rawdoc! { "precision": 1, "min": 1, "max": 2 },
                "expected 'precision' to be set with double or decimal128 index, but got: INT32 min",
            ),
            (
                rawdoc! { "min": 1, "max": 2_i64 },
                "expected 'min' and 'max' to be same type, but got: INT32 min and INT64 max",
            ),
            (rawdoc! { "min": 1.0 }, "expected 'precision' to be set with 'min' for DOUBLE"),
        ] {
            let error = RangeOptions::parse(&document).unwrap_err().to_string();
            assert_eq!(error, format!("Error parsing RangeOpts: {text}"));
        }
    }
}
