//! The exported functions that set options of a context.

use std::ffi::{c_char, c_int};

use bson::{RawBsonRef, RawDocument};
use fieldveil_core::{Algorithm, KeyId, QueryType, RangeOptions, TextOptions};
use fieldveil_crypto::Secret;
use fieldveil_kms::{AwsKey, Endpoint, KmsId, MasterKey, ProviderKind, ServiceKey};

use super::{Ctx, Refusal, call};
use crate::binary::Binary;
use crate::border::{TextError, text};
use crate::status::Failure;

/// Sets the data key by its id: 16 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_key_id(
    ctx: Option<&mut Ctx>,
    key_id: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        options.explicit.key_id = Some(read_key_id(key_id, options.explicit.key_id)?);
        Ok(true)
    })
}

/// Sets the data key of the index, if it is not that of the value.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_index_key_id(
    ctx: Option<&mut Ctx>,
    key_id: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        options.explicit.index_key_id = Some(read_key_id(key_id, options.explicit.index_key_id)?);
        Ok(true)
    })
}

fn read_key_id(view: Option<&Binary>, known: Option<KeyId>) -> Result<KeyId, Refusal> {
    let bytes = view.and_then(Binary::bytes).ok_or("option must be non-NULL")?;
    if known.is_some() {
        return Err("option already set".into());
    }
    KeyId::from_slice(bytes).ok_or_else(|| "expected 16 byte UUID".into())
}

/// Adds an alternate name: `{keyAltName: name}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_key_alt_name(
    ctx: Option<&mut Ctx>,
    key_alt_name: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        let document = read_document(key_alt_name, "invalid keyAltName bson object")?;
        let value = only_field(
            document,
            "keyAltName",
            "keyAltName must have field 'keyAltName'",
            "unrecognized field, only keyAltName expected",
        )?;
        let RawBsonRef::String(name) = value else {
            return Err("keyAltName expected to be UTF8".into());
        };
        let names = &mut options.explicit.key_alt_names;
        if names.iter().any(|known| known == name) {
            return Err("duplicate keyAltNames found".into());
        }
        names.push(name.to_owned());
        Ok(true)
    })
}

/// Sets the bytes of a new data key: `{keyMaterial: 96 bytes}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_key_material(
    ctx: Option<&mut Ctx>,
    key_material: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        if options.key_material.is_some() {
            return Err("keyMaterial already set".into());
        }
        let document = read_document(key_material, "invalid keyMaterial bson object")?;
        let value = only_field(
            document,
            "keyMaterial",
            "keyMaterial must have field 'keyMaterial'",
            "unrecognized field, only keyMaterial expected",
        )?;
        let RawBsonRef::Binary(binary) = value else {
            return Err("keyMaterial must be binary data".into());
        };
        let material = Secret::try_from(binary.bytes).map_err(|_| {
            Failure::client(format!(
                "keyMaterial should have length 96, but has length {}",
                binary.bytes.len()
            ))
        })?;
        options.key_material = Some(material);
        Ok(true)
    })
}

/// Sets the algorithm of explicit encryption.
///
/// # Safety
/// `algorithm` is NULL or as long as `len` says, -1 being up to the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_ctx_setopt_algorithm(
    ctx: Option<&mut Ctx>,
    algorithm: *const c_char,
    len: c_int,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        if options.explicit.algorithm.is_some() {
            return Err("already set algorithm".into());
        }
        // SAFETY: the caller's promise.
        let name = unsafe { text(algorithm, len) }.map_err(|error| match error {
            TextError::Null => Failure::from("passed null algorithm"),
            TextError::Length => "invalid algorithm length".into(),
            TextError::Utf8 => "unsupported algorithm string".into(),
        })?;
        let algorithm = Algorithm::parse(name).map_err(Failure::client)?;
        options.explicit.algorithm = Some(algorithm);
        Ok(true)
    })
}

/// Sets the query type of explicit encryption.
///
/// # Safety
/// `query_type` is NULL or as long as `len` says, -1 being up to the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_ctx_setopt_query_type(
    ctx: Option<&mut Ctx>,
    query_type: *const c_char,
    len: c_int,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(query_type, len) }.map_err(|error| match error {
            TextError::Null => Failure::from("Invalid null query_type string"),
            TextError::Length => "Invalid query_type string length".into(),
            TextError::Utf8 => "Unsupported query_type".into(),
        })?;
        options.explicit.query_type = Some(QueryType::parse(name).map_err(Failure::client)?);
        Ok(true)
    })
}

/// Sets the maximum contention factor of an indexed algorithm.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_contention_factor(
    ctx: Option<&mut Ctx>,
    contention_factor: i64,
) -> bool {
    call(ctx, false, |ctx| {
        ctx.options()?.explicit.contention_factor = Some(contention_factor);
        Ok(true)
    })
}

/// Sets the options of the range algorithm.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_algorithm_range(
    ctx: Option<&mut Ctx>,
    opts: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        if options.explicit.range.is_some() {
            return Err("RangeOpts already set".into());
        }
        let document = opts.and_then(Binary::document).ok_or("invalid BSON")?;
        options.explicit.range = Some(RangeOptions::parse(document).map_err(Failure::client)?);
        Ok(true)
    })
}

/// Sets the options of the string algorithm.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_algorithm_text(
    ctx: Option<&mut Ctx>,
    opts: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        if options.explicit.text.is_some() {
            return Err("TextOpts already set".into());
        }
        let document = opts.and_then(Binary::document).ok_or("invalid BSON")?;
        options.explicit.text = Some(TextOptions::parse(document).map_err(Failure::client)?);
        Ok(true)
    })
}

/// Sets the master key: `{provider: .., ..}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_key_encryption_key(
    ctx: Option<&mut Ctx>,
    bin: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        if options.master_key.is_some() || options.aws_endpoint.is_some() {
            return Err("key encryption key already set".into());
        }
        let view = bin.ok_or("invalid NULL key encryption key document")?;
        let document = view.document().ok_or("invalid BSON")?;
        options.master_key = Some(MasterKey::parse(document).map_err(Failure::client)?);
        Ok(true)
    })
}

/// Sets a master key of AWS; older than `mongocrypt_ctx_setopt_key_encryption_key`.
///
/// # Safety
/// Both strings are NULL or as long as their lengths say, -1 being up to the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_ctx_setopt_masterkey_aws(
    ctx: Option<&mut Ctx>,
    region: *const c_char,
    region_len: i32,
    cmk: *const c_char,
    cmk_len: i32,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        if options.master_key.is_some() {
            return Err("master key already set".into());
        }
        // SAFETY: the caller's promise.
        let region = unsafe { text(region, region_len) };
        let region = region.ok().filter(|text| !text.is_empty()).ok_or("invalid region")?;
        // SAFETY: the caller's promise.
        let cmk = unsafe { text(cmk, cmk_len) };
        let cmk = cmk.ok().filter(|text| !text.is_empty()).ok_or("invalid cmk")?;
        let key = AwsKey {
            region: region.to_owned(),
            key: cmk.to_owned(),
            endpoint: options.aws_endpoint.take(),
        };
        options.master_key = aws_master_key(key);
        Ok(true)
    })
}

/// Sets the endpoint of a master key of AWS; older than
/// `mongocrypt_ctx_setopt_key_encryption_key`.
///
/// # Safety
/// `endpoint` is NULL or as long as `endpoint_len` says, -1 being up to the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_ctx_setopt_masterkey_aws_endpoint(
    ctx: Option<&mut Ctx>,
    endpoint: *const c_char,
    endpoint_len: i32,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        // SAFETY: the caller's promise.
        let endpoint =
            unsafe { text(endpoint, endpoint_len) }.map_err(|_| Failure::from("Invalid endpoint"));
        match options.master_key.as_ref().map(MasterKey::key) {
            None if options.aws_endpoint.is_some() => {
                return Err("already set masterkey endpoint".into());
            }
            None => {
                let endpoint = Endpoint::parse(endpoint?).map_err(Failure::client)?;
                options.aws_endpoint = Some(endpoint);
            }
            Some(ServiceKey::Aws(key)) if key.endpoint.is_some() => {
                return Err("already set masterkey endpoint".into());
            }
            Some(ServiceKey::Aws(key)) => {
                let endpoint = Endpoint::parse(endpoint?).map_err(Failure::client)?;
                let key = AwsKey { endpoint: Some(endpoint), ..key.clone() };
                options.master_key = aws_master_key(key);
            }
            Some(_) => return Err("endpoint prohibited".into()),
        }
        Ok(true)
    })
}

fn aws_master_key(key: AwsKey) -> Option<MasterKey> {
    MasterKey::new(KmsId::unnamed(ProviderKind::Aws), ServiceKey::Aws(key))
}

/// Sets the local master key; older than `mongocrypt_ctx_setopt_key_encryption_key`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_setopt_masterkey_local(ctx: Option<&mut Ctx>) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.options()?;
        if options.master_key.is_some() || options.aws_endpoint.is_some() {
            return Err("master key already set".into());
        }
        options.master_key = Some(MasterKey::local());
        Ok(true)
    })
}

fn read_document<'a>(
    view: Option<&'a Binary>,
    malformed: &'static str,
) -> Result<&'a RawDocument, Refusal> {
    let view = view.filter(|view| view.bytes().is_some()).ok_or("option must be non-NULL")?;
    view.document().ok_or_else(|| malformed.into())
}

/// The value of the one field that a document has.
fn only_field<'a>(
    document: &'a RawDocument,
    name: &str,
    other_name: &'static str,
    more_fields: &'static str,
) -> Result<RawBsonRef<'a>, Refusal> {
    let mut elements = document.iter();
    let (key, value) = elements.next().and_then(Result::ok).ok_or("invalid bson")?;
    if key.as_str() != name {
        return Err(other_name.into());
    }
    if elements.next().is_some() {
        return Err(more_fields.into());
    }
    Ok(value)
}
