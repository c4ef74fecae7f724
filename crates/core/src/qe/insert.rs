//! Payloads of values to store: `FLE2InsertUpdatePayloadV2` (first byte 11) and
//! `FLE2UnindexedEncryptedValueV2` (16).
//!
//! ```text
//! { d, s, p: tokens of the value and its state, u: UUID index key, t: int32 type,
//!   v: user key ‖ ciphertext, e: server's token, l: token of the value, k: int64 contention factor }
//! ```
//!
//! then for ranges `{g: [{d, s, l, p}], sp, pn?, tf, mn, mx}`, for text
//! `{b: {e: {d, s, l, p}, s: [..], u: [..], p: [..]}}`.

use fieldveil_crypto::Random;
use fieldveil_crypto::qe::draw_contention_factor;
use fieldveil_crypto::qe::state::IndexKind;
use fieldveil_crypto::qe::tokens::{TOKEN_LEN, TextIndex};

use super::range::{InsertSpec, Levels, RangeError, RangeValue, edges};
use super::text::{Pieces, TextSpec, pieces};
use super::tokens::{IndexKey, TokenSet};
use super::{QeError, TextError, check_comparable, draw_iv, string_value};
use crate::error::CoreError;
use crate::marking::Placeholder;
use crate::raw::{ArrayWriter, DocumentWriter, Element, kind, subtype};
use crate::vault::VaultKey;

const INSERT_PAYLOAD: u8 = 11;
const UNINDEXED_VALUE: u8 = 16;

/// A value that cannot be queried: `16 ‖ user key id ‖ type ‖ ciphertext`.
pub(super) fn unindexed(
    placeholder: &Placeholder<'_>,
    user_key: &VaultKey,
    random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    let value = &placeholder.value;
    let mut out = Vec::with_capacity(value.value.len() + 96);
    out.push(UNINDEXED_VALUE);
    out.extend_from_slice(user_key.id().as_bytes());
    out.push(value.kind);
    let associated_data = out.clone();
    user_key.encrypt_qe(&draw_iv(random)?, &associated_data, value.value, &mut out)?;
    Ok(out)
}

/// A value that can be looked for by equality.
pub(super) fn equality(
    placeholder: &Placeholder<'_>,
    user_key: &VaultKey,
    index_key: &VaultKey,
    random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    let value = &placeholder.value;
    check_comparable(value.kind)?;
    let mut out = vec![INSERT_PAYLOAD];
    let mut writer = DocumentWriter::new(&mut out);
    let factor = contention_factor(placeholder, random)?;
    let tokens = index_key.index().insert(None, value.value, factor)?;
    let keys = Keys { user: user_key, index: index_key };
    write_common(&mut writer, value, &tokens, IndexKind::Equality, factor, &keys, random)?;
    writer.finish()?;
    Ok(out)
}

/// A value that can be looked for by ranges.
pub(super) fn range(
    placeholder: &Placeholder<'_>,
    user_key: &VaultKey,
    index_key: &VaultKey,
    random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    let spec = InsertSpec::parse(&placeholder.value).map_err(QeError::from)?;
    let sparsity = placeholder.sparsity.unwrap_or(0);
    let (edges, trim_factor) = range_edges(&spec, sparsity).map_err(QeError::from)?;

    let mut out = vec![INSERT_PAYLOAD];
    let mut writer = DocumentWriter::new(&mut out);
    let factor = contention_factor(placeholder, random)?;
    let index = index_key.index();
    let tokens = index.insert(None, spec.value.value, factor)?;
    let keys = Keys { user: user_key, index: index_key };
    let not_a_leaf = IndexKind::Range { is_leaf: false };
    write_common(&mut writer, &spec.value, &tokens, not_a_leaf, factor, &keys, random)?;
    let longest = edges.iter().map(String::len).max();
    let values: Vec<&[u8]> = edges.iter().map(String::as_bytes).collect();
    let tokens = index.insert_each(None, &values, factor)?;
    writer.array("g", |sets| {
        for (edge, tokens) in edges.iter().zip(&tokens) {
            let is_leaf = edge != "root" && Some(edge.len()) == longest;
            let state =
                index.state(&draw_iv(random)?, &tokens.esc, IndexKind::Range { is_leaf })?;
            write_set(sets, tokens, &state)?;
        }
        Ok::<_, CoreError>(())
    })?;
    writer.i64("sp", sparsity);
    if let Some(precision) = spec.index.precision {
        writer.i32("pn", precision);
    }
    writer.i32("tf", trim_factor);
    writer.raw(spec.index.min.kind, b"mn", spec.index.min.value);
    writer.raw(spec.index.max.kind, b"mx", spec.index.max.value);
    writer.finish()?;
    Ok(out)
}

fn range_edges(spec: &InsertSpec<'_>, sparsity: i64) -> Result<(Vec<String>, i32), RangeError> {
    let value = RangeValue::of(&spec.value)?;
    for (name, bound) in [("min", &spec.index.min), ("max", &spec.index.max)] {
        if bound.kind != value.kind() {
            let (bound, value) = (kind::name(bound.kind), kind::name(value.kind()));
            return Err(RangeError::OptionType { name, bound, value });
        }
    }
    let encoded = spec.index.encode(&value)?;
    let levels = Levels::new(encoded.bits(), sparsity, spec.index.trim_factor)?;
    Ok((edges(encoded, &levels), levels.trim_factor()))
}

/// A string that can be looked for by its parts.
pub(super) fn text(
    placeholder: &Placeholder<'_>,
    user_key: &VaultKey,
    index_key: &VaultKey,
    random: &mut dyn Random,
) -> Result<Vec<u8>, CoreError> {
    let spec = TextSpec::parse(&placeholder.value).map_err(QeError::from)?;
    let pieces = pieces(&spec).map_err(QeError::from)?;

    let mut out = vec![INSERT_PAYLOAD];
    let mut writer = DocumentWriter::new(&mut out);
    let factor = contention_factor(placeholder, random)?;
    // The tokens of the value itself are of no use to a text index; they are there for their length.
    let unused = [0; TOKEN_LEN];
    let tokens = TokenSet { edc: unused, esc: unused, server: unused };
    let keys = Keys { user: user_key, index: index_key };
    let state = IndexKind::Text { tag_count: 0 };
    write_common(&mut writer, &spec.value, &tokens, state, factor, &keys, random)?;
    let index = index_key.index();
    writer.document("b", |sets| write_text_sets(sets, &pieces, &index, factor, random))?;
    writer.finish()?;
    Ok(out)
}

fn write_text_sets(
    writer: &mut DocumentWriter<'_>,
    pieces: &Pieces,
    index: &IndexKey<'_>,
    factor: u64,
    random: &mut dyn Random,
) -> Result<(), CoreError> {
    let mut state = |tokens: &TokenSet, tag_count: u32| {
        index.state(&draw_iv(random)?, &tokens.esc, IndexKind::Text { tag_count })
    };
    let tags = u32::try_from(pieces.tags());
    let tags = tags.map_err(|_| QeError::from(TextError::TooManyTags { limit: 0 }))?;
    let exact = string_value(pieces.folded.as_bytes());
    let tokens = index.insert(Some(TextIndex::Exact), &exact, factor)?;
    let exact_state = state(&tokens, tags)?;
    writer.document("e", |writer| {
        write_tokens(writer, &tokens, &exact_state);
        Ok::<_, CoreError>(())
    })?;
    let padding = string_value(&pieces.padding_piece());
    for (name, text, of_index) in [
        ("s", TextIndex::Substring, &pieces.substrings),
        ("u", TextIndex::Suffix, &pieces.suffixes),
        ("p", TextIndex::Prefix, &pieces.prefixes),
    ] {
        let ranges = of_index.pieces.iter().cloned();
        let values = ranges.map(|range| pieces.folded.get(range).unwrap_or_default().as_bytes());
        let values: Vec<Vec<u8>> = values.map(string_value).collect();
        let mut values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        // All copies of the padding are the same, the state included.
        values.extend((of_index.padding > 0).then_some(padding.as_slice()));
        let tokens = index.insert_each(Some(text), &values, factor)?;
        writer.array(name, |sets| {
            for (number, tokens) in tokens.iter().enumerate() {
                let state = state(tokens, 0)?;
                let is_padding = number == of_index.pieces.len();
                for _ in 0..if is_padding { of_index.padding } else { 1 } {
                    write_set(sets, tokens, &state)?;
                }
            }
            Ok::<_, CoreError>(())
        })?;
    }
    Ok(())
}

struct Keys<'a> {
    user: &'a VaultKey,
    index: &'a VaultKey,
}

/// Draws the contention factor; one draw serves all token sets of a payload.
fn contention_factor(
    placeholder: &Placeholder<'_>,
    random: &mut dyn Random,
) -> Result<u64, CoreError> {
    let maximum = u64::try_from(placeholder.max_contention).unwrap_or(0);
    Ok(draw_contention_factor(maximum, random)?)
}

/// `d` to `k`.
fn write_common(
    writer: &mut DocumentWriter<'_>,
    value: &Element<'_>,
    tokens: &TokenSet,
    state: IndexKind,
    factor: u64,
    keys: &Keys<'_>,
    random: &mut dyn Random,
) -> Result<(), CoreError> {
    let index = keys.index.index();
    let state = index.state(&draw_iv(random)?, &tokens.esc, state)?;
    let user_key_id = keys.user.id().as_bytes();
    let mut client_value = Vec::with_capacity(value.value.len() + 96);
    client_value.extend_from_slice(user_key_id);
    keys.user.encrypt_qe(&draw_iv(random)?, user_key_id, value.value, &mut client_value)?;
    writer
        .generic("d", &tokens.edc)
        .generic("s", &tokens.esc)
        .generic("p", &state)
        .binary("u", subtype::UUID, keys.index.id().as_bytes())
        .i32("t", value.kind.into())
        .generic("v", &client_value)
        .generic("e", &index.server_data_encryption()?)
        .generic("l", &tokens.server)
        .i64("k", i64::try_from(factor).unwrap_or(i64::MAX));
    Ok(())
}

/// `{d, s, l, p}` as the next item of an array.
fn write_set(sets: &mut ArrayWriter<'_>, tokens: &TokenSet, state: &[u8]) -> Result<(), CoreError> {
    sets.item(|item, index| {
        item.document(index, |writer| {
            write_tokens(writer, tokens, state);
            Ok::<_, CoreError>(())
        })
        .map(|_| ())
    })
}

fn write_tokens(writer: &mut DocumentWriter<'_>, tokens: &TokenSet, state: &[u8]) {
    writer
        .generic("d", &tokens.edc)
        .generic("s", &tokens.esc)
        .generic("l", &tokens.server)
        .generic("p", state);
}
