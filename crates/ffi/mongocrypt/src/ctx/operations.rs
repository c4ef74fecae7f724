//! The exported functions that start an operation.

use std::ffi::c_char;

use super::options::Allowed;
use super::{Ctx, call};
use crate::binary::Binary;
use crate::border::{TextError, text};
use crate::status::Failure;

/// Starts making a data key.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_datakey_init(ctx: Option<&mut Ctx>) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.take_options(Allowed::DataKey)?.unwrap_or_default().into_data_key();
        ctx.go_on(|core, env| core.create_data_key(options, env))?;
        Ok(true)
    })
}

/// Starts encrypting a command to `db` by the schema of its collection.
///
/// # Safety
/// `db` is NULL or as long as `db_len` says, -1 being up to the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_ctx_encrypt_init(
    ctx: Option<&mut Ctx>,
    db: *const c_char,
    db_len: i32,
    cmd: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        // SAFETY: the caller's promise.
        let database = unsafe { text(db, db_len) };
        if database == Err(TextError::Null) {
            return Err("invalid db".into());
        }
        ctx.take_options(Allowed::Nothing)?;
        let view = cmd.filter(|view| view.bytes().is_some()).ok_or("invalid command")?;
        let command = view.document().ok_or("invalid command BSON")?;
        let database = database.ok().filter(|database| !database.is_empty());
        let database = database.ok_or("invalid db")?;
        ctx.go_on(|core, env| core.encrypt_command(database, command, env))?;
        Ok(true)
    })
}

/// Starts encrypting the value of `{v: value}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_explicit_encrypt_init(
    ctx: Option<&mut Ctx>,
    msg: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.take_options(Allowed::Explicit)?.unwrap_or_default();
        let message = read_message(msg)?;
        ctx.go_on(|core, env| core.encrypt_value(message, &options.explicit, env))?;
        Ok(true)
    })
}

/// Starts encrypting the bounds of a range query: `{v: expression}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_explicit_encrypt_expression_init(
    ctx: Option<&mut Ctx>,
    msg: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let options = ctx.take_options(Allowed::Explicit)?.unwrap_or_default();
        let message = read_message(msg)?;
        ctx.go_on(|core, env| core.encrypt_expression(message, &options.explicit, env))?;
        Ok(true)
    })
}

fn read_message(view: Option<&Binary>) -> Result<&bson::RawDocument, Failure> {
    let view = view.filter(|view| view.bytes().is_some());
    let view = view.ok_or("msg required for explicit encryption")?;
    view.document().ok_or_else(|| "msg must be bson".into())
}

/// Starts decrypting every encrypted value of a document.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_decrypt_init(ctx: Option<&mut Ctx>, doc: Option<&Binary>) -> bool {
    call(ctx, false, |ctx| {
        ctx.take_options(Allowed::Nothing)?;
        let view = doc.filter(|view| view.bytes().is_some()).ok_or("invalid doc")?;
        let document = view.document().ok_or("malformed bson")?;
        ctx.go_on(|core, env| core.decrypt(document, env))?;
        Ok(true)
    })
}

/// Starts decrypting `{v: binary of subtype 6}`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_explicit_decrypt_init(
    ctx: Option<&mut Ctx>,
    msg: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let view = msg.filter(|view| view.bytes().is_some()).ok_or("invalid msg")?;
        let message = view.document().ok_or("malformed bson")?;
        ctx.take_options(Allowed::Nothing)?;
        ctx.go_on(|core, env| core.decrypt_value(message, env))?;
        Ok(true)
    })
}

/// Starts wrapping anew all data keys that `filter` matches, under the master key that was set or
/// each under its own.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_rewrap_many_datakey_init(
    ctx: Option<&mut Ctx>,
    filter: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let view = filter.ok_or("filter must not be null")?;
        let options = ctx.take_options(Allowed::MasterKey)?.unwrap_or_default();
        let filter = view.document().ok_or("invalid BSON")?;
        let master_key = options.master_key_document();
        ctx.go_on(|core, _| core.rewrap_many(filter, master_key.as_deref()))?;
        Ok(true)
    })
}
