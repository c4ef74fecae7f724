//! Explicit encryption: the options take the place of query analysis.

use fieldveil_crypto::Random;

use super::text_options::TextIndex;
use super::{QeError, TextOptions, encrypt_placeholder};
use crate::error::CoreError;
use crate::marking::{Placeholder, PlaceholderAlgorithm, PlaceholderKind};
use crate::options::{QeIndex, QePlan, QueryType};
use crate::qe::RangeOptions;
use crate::raw::{DocumentWriter, Element, kind};
use crate::vault::VaultKey;

/// Encrypts a value as the options say.
///
/// # Errors
/// If the value cannot be indexed so.
pub(crate) fn encrypt_explicit(
    value: &Element<'_>,
    plan: &QePlan,
    user_key: &VaultKey,
    index_key: &VaultKey,
    random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    let spec;
    let (algorithm, value, sparsity) = match &plan.index {
        QeIndex::None => (PlaceholderAlgorithm::Unindexed, *value, None),
        QeIndex::Equality => (PlaceholderAlgorithm::Equality, *value, None),
        QeIndex::Range(options) => {
            spec = range_spec(value, options)?;
            (PlaceholderAlgorithm::Range, document(&spec), Some(options.sparsity))
        }
        QeIndex::Text(options) => {
            spec = text_spec(value, options, plan.query_type)?;
            (PlaceholderAlgorithm::Text, document(&spec), None)
        }
    };
    let placeholder = Placeholder {
        kind: match plan.query_type {
            Some(_) => PlaceholderKind::Find,
            None => PlaceholderKind::Insert,
        },
        algorithm,
        index_key: plan.index_key,
        user_key: plan.user_key,
        value,
        max_contention: plan.contention,
        sparsity,
    };
    encrypt_placeholder(&placeholder, user_key, index_key, random)
}

fn document(bytes: &[u8]) -> Element<'_> {
    Element { kind: kind::DOCUMENT, name: b"v", value: bytes }
}

/// `{v, min, max, precision?, trimFactor?}`
fn range_spec(value: &Element<'_>, options: &RangeOptions) -> Result<Vec<u8>, CoreError> {
    let (min_kind, min) = options.bound("min", value.kind).map_err(QeError::from)?;
    let (max_kind, max) = options.bound("max", value.kind).map_err(QeError::from)?;
    options.check_trim_factor(value.kind).map_err(QeError::from)?;
    let mut out = Vec::with_capacity(128);
    let mut writer = DocumentWriter::new(&mut out);
    writer.raw(value.kind, b"v", value.value);
    writer.raw(min_kind, b"min", &min).raw(max_kind, b"max", &max);
    if let Some(precision) = options.precision {
        writer.i32("precision", precision);
    }
    if let Some(trim_factor) = options.trim_factor {
        writer.i32("trimFactor", trim_factor);
    }
    writer.finish()?;
    Ok(out)
}

/// `{v, casef, diacf, prefix?, suffix?, substr?}`; a query has the part that it looks for only.
fn text_spec(
    value: &Element<'_>,
    options: &TextOptions,
    query_type: Option<QueryType>,
) -> Result<Vec<u8>, CoreError> {
    let mut out = Vec::with_capacity(value.value.len() + 128);
    let mut writer = DocumentWriter::new(&mut out);
    writer.raw(value.kind, b"v", value.value);
    writer.bool("casef", !options.case_sensitive).bool("diacf", !options.diacritic_sensitive);
    for (name, index, query) in [
        ("prefix", &options.prefix, QueryType::Prefix),
        ("suffix", &options.suffix, QueryType::Suffix),
        ("substr", &options.substring, QueryType::Substring),
    ] {
        if let Some(index) = index
            && query_type.is_none_or(|wanted| wanted == query)
        {
            write_index(&mut writer, name, index)?;
        }
    }
    writer.finish()?;
    Ok(out)
}

fn write_index(
    writer: &mut DocumentWriter<'_>,
    name: &str,
    index: &TextIndex,
) -> Result<(), CoreError> {
    writer.document(name, |spec| {
        if let Some(max_len) = index.max_len {
            spec.i32("mlen", max_len);
        }
        spec.i32("ub", index.max_query_len).i32("lb", index.min_query_len);
        Ok::<_, CoreError>(())
    })?;
    Ok(())
}
