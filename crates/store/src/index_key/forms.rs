//! Forms: what the values of an index key were, where the key alone does not tell.
//!
//! Values that compare as equal have one key, so a key gives its values back only up to equality:
//! `1` may have been any of four types, null may have been a missing field, a string a symbol. Two
//! bits for each field tell what it was. A value that they cannot tell has form 0, and then the
//! document has to be asked; so have all values of an entry that was written before there were
//! forms, and those of fields beyond the eighth.
//!
//! | type byte | 1 | 2 | 3 | 0 |
//! | --- | --- | --- | --- | --- |
//! | number | int | long | double | decimal, `-0.0`, NaN |
//! | null | null | missing, at the top | | missing further in |
//! | string | string | | | symbol, or ordered by a collation |
//! | binary, ObjectId, bool, date, timestamp | itself | | | |
//! | all others | | | | itself |
//!
//! A decimal may have trailing zeros, NaN may have any of many bit patterns, and a path that ends
//! further in may have documents on its way or not; the key has nothing of that.

use bson::raw::RawBsonRef;

/// The forms of a key's values: two bits for each field, those of the first field lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forms(u16);

/// How many fields have forms.
pub(crate) const FIELDS_MAX: usize = 8;

/// What one value was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The document has to be asked.
    Unknown,
    First,
    Second,
    Third,
}

impl Form {
    pub(crate) const INT32: Self = Self::First;
    pub(crate) const INT64: Self = Self::Second;
    pub(crate) const DOUBLE: Self = Self::Third;
    pub(crate) const NULL: Self = Self::First;
    pub(crate) const MISSING: Self = Self::Second;
    pub(crate) const ITSELF: Self = Self::First;

    /// The form of a value that is there; `is_collated` if strings stand in the order of a collation.
    pub(crate) fn of(value: RawBsonRef<'_>, is_collated: bool) -> Self {
        match value {
            RawBsonRef::Int32(_) => Self::INT32,
            RawBsonRef::Int64(_) => Self::INT64,
            RawBsonRef::Double(number) if is_told_by_key(number) => Self::DOUBLE,
            RawBsonRef::Null => Self::NULL,
            RawBsonRef::String(_) if !is_collated => Self::ITSELF,
            RawBsonRef::Binary(_)
            | RawBsonRef::ObjectId(_)
            | RawBsonRef::Boolean(_)
            | RawBsonRef::DateTime(_)
            | RawBsonRef::Timestamp(_) => Self::ITSELF,
            _ => Self::Unknown,
        }
    }

    /// The form of a field that is not there.
    pub(crate) fn of_missing(path: &str) -> Self {
        if path.contains('.') { Self::Unknown } else { Self::MISSING }
    }

    fn bits(self) -> u16 {
        match self {
            Self::Unknown => 0,
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 3,
        }
    }
}

fn is_told_by_key(number: f64) -> bool {
    !number.is_nan() && (number != 0.0 || number.is_sign_positive())
}

impl Forms {
    /// Nothing is known.
    pub(crate) const UNKNOWN: Self = Self(0);

    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    /// Says of one field what its value was; of a field beyond the eighth nothing is kept.
    pub(crate) fn set(&mut self, field: usize, form: Form) {
        if field < FIELDS_MAX {
            self.0 = (self.0 & !(3 << (2 * field))) | form.bits() << (2 * field);
        }
    }

    pub(crate) fn get(self, field: usize) -> Form {
        if field >= FIELDS_MAX {
            return Form::Unknown;
        }
        match self.0 >> (2 * field) & 3 {
            1 => Form::First,
            2 => Form::Second,
            3 => Form::Third,
            _ => Form::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_keeps_its_form() {
        let mut forms = Forms::UNKNOWN;
        forms.set(0, Form::DOUBLE);
        forms.set(7, Form::INT64);
        forms.set(8, Form::INT32);
        forms.set(0, Form::INT32);
        assert_eq!(
            [0, 1, 7, 8].map(|field| forms.get(field)),
            [Form::INT32, Form::Unknown, Form::INT64, Form::Unknown]
        );
        assert_eq!(Forms::from_bits(forms.bits()), forms);
    }

    #[test]
    fn what_a_key_cannot_tell_is_unknown() {
        for value in [
            RawBsonRef::Double(-0.0),
            RawBsonRef::Double(f64::NAN),
            RawBsonRef::Decimal128("1".parse().unwrap()),
            RawBsonRef::Symbol("a"),
            RawBsonRef::Undefined,
            RawBsonRef::MinKey,
        ] {
            assert_eq!(Form::of(value, false), Form::Unknown, "{value:?}");
        }
        assert_eq!(Form::of(RawBsonRef::String("a"), true), Form::Unknown);
        assert_eq!(Form::of_missing("a.b"), Form::Unknown);
    }
}
