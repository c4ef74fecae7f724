//! Names of algorithms and query types.

use super::OptionsError;
use crate::marking::CsfleAlgorithm;

/// An algorithm of explicit encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// `AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic`: equal values give equal ciphertexts.
    Deterministic,
    /// `AEAD_AES_256_CBC_HMAC_SHA_512-Random`
    Random,
    /// `Indexed`: Queryable Encryption, equality queries.
    Indexed,
    /// `Unindexed`: Queryable Encryption, no queries.
    Unindexed,
    /// `Range`: Queryable Encryption, range queries.
    Range,
    /// `String`: Queryable Encryption, prefix, suffix and substring queries.
    String,
}

impl Algorithm {
    /// Reads a name; upper and lower case are not told apart.
    ///
    /// # Errors
    /// If it is not known, or that of a preview that has ended.
    pub fn parse(name: &str) -> Result<Self, OptionsError> {
        let is = |other: &str| name == other || name.eq_ignore_ascii_case(other);
        if is("rangePreview") {
            return Err(OptionsError::DeprecatedAlgorithm {
                name: "rangePreview",
                instead: "range",
            });
        }
        if is("textPreview") {
            return Err(OptionsError::DeprecatedAlgorithm {
                name: "textPreview",
                instead: "string",
            });
        }
        [
            ("AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", Self::Deterministic),
            ("AEAD_AES_256_CBC_HMAC_SHA_512-Random", Self::Random),
            ("Indexed", Self::Indexed),
            ("Unindexed", Self::Unindexed),
            ("Range", Self::Range),
            ("String", Self::String),
        ]
        .into_iter()
        .find_map(|(known, algorithm)| is(known).then_some(algorithm))
        .ok_or_else(|| OptionsError::UnknownAlgorithm(name.to_owned()))
    }

    /// The CSFLE algorithm, if it is one.
    pub(crate) fn csfle(self) -> Option<CsfleAlgorithm> {
        match self {
            Self::Deterministic => Some(CsfleAlgorithm::Deterministic),
            Self::Random => Some(CsfleAlgorithm::Random),
            Self::Indexed | Self::Unindexed | Self::Range | Self::String => None,
        }
    }

    /// The name that error texts use for a Queryable Encryption algorithm.
    pub(super) fn index_type(self) -> &'static str {
        match self {
            Self::Indexed => "Equality",
            Self::Range => "Range",
            Self::String => "String",
            Self::Unindexed | Self::Deterministic | Self::Random => "None",
        }
    }
}

/// What a value of an indexed field is to be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryType {
    /// `equality`
    Equality,
    /// `range`
    Range,
    /// `prefix`
    Prefix,
    /// `suffix`
    Suffix,
    /// `substring`
    Substring,
}

impl QueryType {
    /// Reads a name; upper and lower case are not told apart.
    ///
    /// # Errors
    /// If it is not known, or that of a preview that has ended.
    pub fn parse(name: &str) -> Result<Self, OptionsError> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let ended = [
            ("rangePreview", "range"),
            ("prefixPreview", "prefix"),
            ("suffixPreview", "suffix"),
            ("substringPreview", "substring"),
        ];
        if let Some((name, instead)) = ended.into_iter().find(|(ended, _)| is(ended)) {
            return Err(OptionsError::DeprecatedQueryType { name, instead });
        }
        [
            ("equality", Self::Equality),
            ("range", Self::Range),
            ("prefix", Self::Prefix),
            ("suffix", Self::Suffix),
            ("substring", Self::Substring),
        ]
        .into_iter()
        .find_map(|(known, query_type)| is(known).then_some(query_type))
        .ok_or_else(|| OptionsError::UnknownQueryType(name.to_owned()))
    }

    /// The name in error texts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Equality => "Equality",
            Self::Range => "Range",
            Self::Prefix => "Prefix",
            Self::Suffix => "Suffix",
            Self::Substring => "Substring",
        }
    }

    /// Whether values of this algorithm can be queried so.
    pub(super) fn fits(self, algorithm: Algorithm) -> bool {
        match self {
            Self::Equality => algorithm == Algorithm::Indexed,
            Self::Range => algorithm == Algorithm::Range,
            Self::Prefix | Self::Suffix | Self::Substring => algorithm == Algorithm::String,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whatever_their_case() {
        assert_eq!(Algorithm::parse("indexed"), Ok(Algorithm::Indexed));
        assert_eq!(Algorithm::parse("aead_aes_256_cbc_hmac_sha_512-random"), Ok(Algorithm::Random));
        assert_eq!(QueryType::parse("PREFIX"), Ok(QueryType::Prefix));
    }

    #[test]
    fn unknown_and_ended_names_are_refused() {
        for (name, text) in [
            ("RangePreview", "Algorithm 'rangePreview' is deprecated, please use 'range'"),
            ("TextPreview", "Algorithm 'textPreview' is deprecated, please use 'string'"),
            ("nope", "unsupported algorithm string \"nope\""),
        ] {
            assert_eq!(Algorithm::parse(name).unwrap_err().to_string(), text);
        }
        for (name, text) in [
            ("rangePreview", "Query type 'rangePreview' is deprecated, please use 'range'"),
            ("PREFIXpreview", "Query type 'prefixPreview' is deprecated, please use 'prefix'"),
            ("nope", "Unsupported query_type \"nope\""),
        ] {
            assert_eq!(QueryType::parse(name).unwrap_err().to_string(), text);
        }
    }
}
