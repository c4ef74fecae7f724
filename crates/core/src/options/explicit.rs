//! Options of explicit encryption, and which of them go together.

use super::{Algorithm, OptionsError, QueryType};
use crate::error::CoreError;
use crate::key_id::KeyId;
use crate::marking::{CsfleAlgorithm, KeySelector, check_contention};
use crate::qe::{RangeOptions, TextOptions};

/// How one value or expression is encrypted. The fields are checked together when they are used.
#[derive(Clone, Debug, Default)]
pub struct ExplicitOptions {
    /// The data key; of the user's value for Queryable Encryption.
    pub key_id: Option<KeyId>,
    /// The data key by alternate name, for CSFLE only. More than one is an error.
    pub key_alt_names: Vec<String>,
    /// Required.
    pub algorithm: Option<Algorithm>,
    /// The key of the index, if it is not `key_id`.
    pub index_key_id: Option<KeyId>,
    /// The maximum contention factor. Required for indexed algorithms.
    pub contention_factor: Option<i64>,
    /// What the value is compared with, if it is looked for and not stored.
    pub query_type: Option<QueryType>,
    /// Required for [`Algorithm::Range`].
    pub range: Option<RangeOptions>,
    /// Required for [`Algorithm::String`].
    pub text: Option<TextOptions>,
}

/// Options that go together.
#[derive(Debug)]
pub(crate) enum ExplicitPlan {
    Csfle(CsfleAlgorithm),
    Qe(QePlan),
}

/// Options of Queryable Encryption that go together.
#[derive(Debug)]
pub(crate) struct QePlan {
    pub(crate) user_key: KeyId,
    pub(crate) index_key: KeyId,
    pub(crate) contention: i64,
    pub(crate) query_type: Option<QueryType>,
    pub(crate) index: QeIndex,
}

/// The index of a Queryable Encryption value.
#[derive(Debug)]
pub(crate) enum QeIndex {
    None,
    Equality,
    Range(RangeOptions),
    Text(TextOptions),
}

impl ExplicitOptions {
    /// Options with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key that the value is encrypted under.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub(crate) fn key(&self) -> Result<KeySelector<'_>, OptionsError> {
        match (self.key_id, self.key_alt_names.as_slice()) {
            (None, []) => Err(OptionsError::NoKey),
            (Some(_), [_, ..]) => Err(OptionsError::TwoKeys),
            (None, [_, _, ..]) => Err(OptionsError::SeveralAltNames),
            (Some(id), []) => Ok(KeySelector::Id(id)),
            (None, [name]) => Ok(KeySelector::Name(name)),
        }
    }

    /// Checks that the options go together.
    ///
    /// # Errors
    /// The first pair that does not, or the first that is missing.
    pub(crate) fn plan(&self) -> Result<ExplicitPlan, CoreError> {
        self.key()?;
        let csfle = self.algorithm.and_then(Algorithm::csfle);
        if !self.key_alt_names.is_empty() {
            if self.algorithm.is_some() && csfle.is_none() {
                return Err(OptionsError::Exclusive("key alt name", "index type").into());
            }
            self.refuse_qe_options("key alt name")?;
        }
        if csfle.is_some() {
            self.refuse_qe_options("algorithm")?;
        }
        match (self.algorithm, csfle, self.key_id) {
            (Some(_), Some(csfle), _) => Ok(ExplicitPlan::Csfle(csfle)),
            (Some(algorithm), None, Some(user_key)) => {
                self.qe_plan(algorithm, user_key).map(ExplicitPlan::Qe)
            }
            _ => Err(OptionsError::NoAlgorithm.into()),
        }
    }

    fn refuse_qe_options(&self, with: &'static str) -> Result<(), OptionsError> {
        let set = [
            (self.index_key_id.is_some(), "index key id"),
            (self.contention_factor.is_some(), "contention factor"),
            (self.query_type.is_some(), "query type"),
            (self.range.is_some(), "range opts"),
        ];
        match set.into_iter().find(|(is_set, _)| *is_set) {
            Some((_, option)) => Err(OptionsError::Exclusive(with, option)),
            None => Ok(()),
        }
    }

    fn qe_plan(&self, algorithm: Algorithm, user_key: KeyId) -> Result<QePlan, CoreError> {
        self.refuse_options_of_others(algorithm)?;
        let contention = self.contention_factor.map(check_contention).transpose()?;
        let contention_for = |text| contention.ok_or(OptionsError::Required(text));
        let (contention, index) = match algorithm {
            Algorithm::Indexed => (
                contention_for("contention factor is required for indexed algorithm")?,
                QeIndex::Equality,
            ),
            Algorithm::Range => {
                let required = "range opts are required for range indexed algorithm";
                (
                    contention_for("contention factor is required for range indexed algorithm")?,
                    self.range
                        .clone()
                        .map(QeIndex::Range)
                        .ok_or(OptionsError::Required(required))?,
                )
            }
            Algorithm::String => {
                let required = "string opts are required for string algorithm";
                (
                    contention_for("contention factor is required for string algorithm")?,
                    self.text.clone().map(QeIndex::Text).ok_or(OptionsError::Required(required))?,
                )
            }
            Algorithm::Unindexed | Algorithm::Deterministic | Algorithm::Random => {
                (0, QeIndex::None)
            }
        };
        if let Some(query_type) = self.query_type
            && !query_type.fits(algorithm)
        {
            let (query_type, index_type) = (query_type.name(), algorithm.index_type());
            return Err(OptionsError::QueryTypeMismatch { query_type, index_type }.into());
        }
        let index_key = self.index_key_id.unwrap_or(user_key);
        Ok(QePlan { user_key, index_key, contention, query_type: self.query_type, index })
    }

    fn refuse_options_of_others(&self, algorithm: Algorithm) -> Result<(), OptionsError> {
        if algorithm == Algorithm::Unindexed {
            if self.contention_factor.is_some() {
                return Err(OptionsError::NotWith("contention factor with no index type"));
            }
            if self.query_type.is_some() {
                return Err(OptionsError::NotWith("query type with no index type"));
            }
        }
        if algorithm != Algorithm::String {
            match self.query_type {
                Some(QueryType::Prefix) => {
                    return Err(OptionsError::QueryTypeNeedsString("prefix"));
                }
                Some(QueryType::Suffix) => {
                    return Err(OptionsError::QueryTypeNeedsString("suffix"));
                }
                Some(QueryType::Substring) => {
                    return Err(OptionsError::QueryTypeNeedsString("substring"));
                }
                Some(QueryType::Equality | QueryType::Range) | None => {}
            }
        }
        if self.range.is_some() {
            let refused = match algorithm {
                Algorithm::Unindexed => Some("range opts with no index type"),
                Algorithm::Indexed => Some("range opts with equality index type"),
                Algorithm::String => Some("range opts with 'string' algorithm"),
                Algorithm::Range | Algorithm::Deterministic | Algorithm::Random => None,
            };
            if let Some(refused) = refused {
                return Err(OptionsError::NotWith(refused));
            }
        }
        if self.text.is_some() && algorithm != Algorithm::String {
            return Err(OptionsError::NotWith("string opts without string index type"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    const ID: KeyId = KeyId::from_bytes([1; 16]);

    fn with(change: impl FnOnce(&mut ExplicitOptions)) -> ExplicitOptions {
        let mut options = ExplicitOptions { key_id: Some(ID), ..ExplicitOptions::default() };
        change(&mut options);
        options
    }

    fn range() -> RangeOptions {
        RangeOptions::parse(&rawdoc! { "min": 1, "max": 2 }).unwrap()
    }

    fn text() -> TextOptions {
        let index = rawdoc! { "strMinQueryLength": 2, "strMaxQueryLength": 9 };
        TextOptions::parse(&rawdoc! {
            "caseSensitive": true, "diacriticSensitive": false, "prefix": index,
        })
        .unwrap()
    }

    #[test]
    fn options_that_do_not_go_together_are_refused_with_the_published_texts() {
        use Algorithm::{Indexed, Random, Range, String, Unindexed};
        let named = |change: fn(&mut ExplicitOptions)| {
            with(|options| {
                options.key_id = None;
                options.key_alt_names = vec!["a".to_owned()];
                change(options);
            })
        };
        for (options, error) in [
            (ExplicitOptions::new(), "either key id or key alt name required"),
            (
                with(|o| o.key_alt_names = vec!["a".to_owned()]),
                "cannot have both key id and key alt name",
            ),
            (
                named(|o| o.key_alt_names.push("b".to_owned())),
                "must not specify multiple key alt names",
            ),
            (named(|o| o.algorithm = Some(Indexed)), "cannot set both key alt name and index type"),
            (named(|o| o.index_key_id = Some(ID)), "cannot set both key alt name and index key id"),
            (
                named(|o| o.contention_factor = Some(1)),
                "cannot set both key alt name and contention factor",
            ),
            (
                named(|o| o.query_type = Some(QueryType::Equality)),
                "cannot set both key alt name and query type",
            ),
            (named(|o| o.range = Some(range())), "cannot set both key alt name and range opts"),
            (
                with(|o| (o.algorithm, o.contention_factor) = (Some(Random), Some(1))),
                "cannot set both algorithm and contention factor",
            ),
            (with(|_| ()), "algorithm or index type required"),
            (
                with(|o| (o.algorithm, o.contention_factor) = (Some(Unindexed), Some(1))),
                "cannot set contention factor with no index type",
            ),
            (
                with(|o| {
                    (o.algorithm, o.query_type) = (Some(Unindexed), Some(QueryType::Equality))
                }),
                "cannot set query type with no index type",
            ),
            (
                with(|o| (o.algorithm, o.query_type) = (Some(Indexed), Some(QueryType::Prefix))),
                "prefix query type requires string index type",
            ),
            (
                with(|o| (o.algorithm, o.range) = (Some(Indexed), Some(range()))),
                "cannot set range opts with equality index type",
            ),
            (
                with(|o| (o.algorithm, o.range) = (Some(String), Some(range()))),
                "cannot set range opts with 'string' algorithm",
            ),
            (
                with(|o| (o.algorithm, o.text) = (Some(Indexed), Some(text()))),
                "cannot set string opts without string index type",
            ),
            (
                with(|o| (o.algorithm, o.contention_factor) = (Some(Indexed), Some(-1))),
                "Error validating contention: contention must be non-negative, got: -1",
            ),
            (
                with(|o| o.algorithm = Some(Indexed)),
                "contention factor is required for indexed algorithm",
            ),
            (
                with(|o| o.algorithm = Some(Range)),
                "contention factor is required for range indexed algorithm",
            ),
            (
                with(|o| (o.algorithm, o.contention_factor) = (Some(Range), Some(1))),
                "range opts are required for range indexed algorithm",
            ),
            (
                with(|o| o.algorithm = Some(String)),
                "contention factor is required for string algorithm",
            ),
            (
                with(|o| (o.algorithm, o.contention_factor) = (Some(String), Some(1))),
                "string opts are required for string algorithm",
            ),
            (
                with(|o| {
                    (o.algorithm, o.contention_factor) = (Some(Indexed), Some(1));
                    o.query_type = Some(QueryType::Range);
                }),
                "query_type (Range) must match index_type (Equality)",
            ),
        ] {
            assert_eq!(options.plan().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn the_index_key_is_the_users_key_unless_it_is_given() {
        let options =
            with(|o| (o.algorithm, o.contention_factor) = (Some(Algorithm::Indexed), Some(4)));
        let ExplicitPlan::Qe(plan) = options.plan().unwrap() else { panic!() };
        assert_eq!(plan.index_key, ID);
        assert_eq!(plan.contention, 4);
    }
}
