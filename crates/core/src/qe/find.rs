//! Payloads of values to look for: `FLE2FindEqualityPayloadV2` (first byte 12),
//! `FLE2FindRangePayloadV2` (13) and `FLE2FindTextPayload` (18).

use fieldveil_crypto::qe::tokens::TextIndex;

use super::range::FindSpec;
use super::text::{Affix, Substring, TextSpec, fold};
use super::tokens::TokenSet;
use super::{QeError, TextError, check_comparable, string_value};
use crate::error::CoreError;
use crate::marking::Placeholder;
use crate::raw::DocumentWriter;
use crate::vault::VaultKey;

const EQUALITY_PAYLOAD: u8 = 12;
const RANGE_PAYLOAD: u8 = 13;
const TEXT_PAYLOAD: u8 = 18;

/// `{d, s, l, cm}`
pub(super) fn equality(
    placeholder: &Placeholder<'_>,
    index_key: &VaultKey,
) -> Result<Vec<u8>, CoreError> {
    let value = &placeholder.value;
    check_comparable(value.kind)?;
    let tokens = index_key.index().find(None, value.value)?;
    let mut out = vec![EQUALITY_PAYLOAD];
    let mut writer = DocumentWriter::new(&mut out);
    write_tokens(&mut writer, &tokens);
    writer.i64("cm", placeholder.max_contention);
    writer.finish()?;
    Ok(out)
}

/// `{payload?: {g: [{d, s, l}], cm}, payloadId, firstOperator, secondOperator?, sp?, pn?, tf?, mn?,
/// mx?}`
pub(super) fn range(
    placeholder: &Placeholder<'_>,
    index_key: &VaultKey,
) -> Result<Vec<u8>, CoreError> {
    let spec = FindSpec::parse(&placeholder.value).map_err(QeError::from)?;
    let sparsity = placeholder.sparsity.unwrap_or(0);
    let index = index_key.index();
    let mut out = vec![RANGE_PAYLOAD];
    let mut writer = DocumentWriter::new(&mut out);
    let cover = match &spec.query {
        Some(query) => Some(query.cover(sparsity).map_err(QeError::from)?),
        None => None,
    };
    if let Some((edges, _)) = &cover {
        let edges: Vec<&[u8]> = edges.iter().map(|edge| edge.as_bytes()).collect();
        let tokens = index.find_each(None, &edges)?;
        writer.document("payload", |payload| {
            payload.array("g", |sets| {
                for tokens in &tokens {
                    sets.item(|item, index| {
                        item.document(index, |writer| {
                            write_tokens(writer, tokens);
                            Ok::<_, CoreError>(())
                        })
                        .map(|_| ())
                    })?;
                }
                Ok::<_, CoreError>(())
            })?;
            payload.i64("cm", placeholder.max_contention);
            Ok::<_, CoreError>(())
        })?;
    }
    writer.i32("payloadId", spec.payload_id).i32("firstOperator", spec.first_operator);
    if let Some(operator) = spec.second_operator {
        writer.i32("secondOperator", operator);
    }
    if let (Some(query), Some((_, trim_factor))) = (&spec.query, &cover) {
        writer.i64("sp", sparsity);
        if let Some(precision) = query.index.precision {
            writer.i32("pn", precision);
        }
        writer.i32("tf", *trim_factor);
        writer.raw(query.index.min.kind, b"mn", query.index.min.value);
        writer.raw(query.index.max.kind, b"mx", query.index.max.value);
    }
    writer.finish()?;
    Ok(out)
}

/// `{ts: {<e, s, u or p>: {d, s, l}}, cm, cf, df, ss?, fs?, ps?}`
pub(super) fn text(
    placeholder: &Placeholder<'_>,
    index_key: &VaultKey,
) -> Result<Vec<u8>, CoreError> {
    let spec = TextSpec::parse(&placeholder.value).map_err(QeError::from)?;
    let query = TextQuery::of(&spec)?;
    let text = spec.text("StrQuery").map_err(QeError::from)?;
    let folded = fold(text, spec.folds_case, spec.folds_diacritics);
    query.check(&folded).map_err(QeError::from)?;
    let (name, index) = query.index();
    let tokens = index_key.index().find(Some(index), &string_value(folded.as_bytes()))?;

    let mut out = vec![TEXT_PAYLOAD];
    let mut writer = DocumentWriter::new(&mut out);
    writer.document("ts", |sets| {
        sets.document(name, |writer| {
            write_tokens(writer, &tokens);
            Ok::<_, CoreError>(())
        })?;
        Ok::<_, CoreError>(())
    })?;
    writer.i64("cm", placeholder.max_contention);
    writer.bool("cf", spec.folds_case).bool("df", spec.folds_diacritics);
    query.write_spec(&mut writer)?;
    writer.finish()?;
    Ok(out)
}

/// Which part of strings is looked for.
enum TextQuery {
    Exact,
    Substring(Substring),
    Suffix(Affix),
    Prefix(Affix),
}

impl TextQuery {
    fn of(spec: &TextSpec<'_>) -> Result<Self, QeError> {
        match (spec.substring, spec.suffix, spec.prefix) {
            (None, None, None) => Ok(Self::Exact),
            (Some(substring), None, None) => Ok(Self::Substring(substring)),
            (None, Some(suffix), None) => Ok(Self::Suffix(suffix)),
            (None, None, Some(prefix)) => Ok(Self::Prefix(prefix)),
            _ => Err(TextError::SeveralQueries.into()),
        }
    }

    fn index(&self) -> (&'static str, TextIndex) {
        match self {
            Self::Exact => ("e", TextIndex::Exact),
            Self::Substring(_) => ("s", TextIndex::Substring),
            Self::Suffix(_) => ("u", TextIndex::Suffix),
            Self::Prefix(_) => ("p", TextIndex::Prefix),
        }
    }

    /// Checks that strings of this length were indexed.
    fn check(&self, folded: &str) -> Result<(), TextError> {
        let bounds = match self {
            Self::Exact => return Ok(()),
            Self::Substring(substring) => &substring.query,
            Self::Suffix(affix) | Self::Prefix(affix) => affix,
        };
        let len = folded.chars().count();
        if len == 0 {
            Err(TextError::EmptyQuery)
        } else if len > bounds.max_query_len {
            Err(TextError::QueryTooLong { len, max: bounds.max_query_len })
        } else if len < bounds.min_query_len {
            Err(TextError::QueryTooShort { len, min: bounds.min_query_len })
        } else {
            Ok(())
        }
    }

    fn write_spec(&self, writer: &mut DocumentWriter<'_>) -> Result<(), CoreError> {
        let (name, max_len, query) = match self {
            Self::Exact => return Ok(()),
            Self::Substring(substring) => ("ss", Some(substring.max_len), &substring.query),
            Self::Suffix(affix) => ("fs", None, affix),
            Self::Prefix(affix) => ("ps", None, affix),
        };
        let length = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
        writer.document(name, |spec| {
            if let Some(max_len) = max_len {
                spec.i32("mlen", length(max_len));
            }
            spec.i32("ub", length(query.max_query_len)).i32("lb", length(query.min_query_len));
            Ok::<_, CoreError>(())
        })?;
        Ok(())
    }
}

fn write_tokens(writer: &mut DocumentWriter<'_>, tokens: &TokenSet) {
    writer.generic("d", &tokens.edc).generic("s", &tokens.esc).generic("l", &tokens.server);
}
