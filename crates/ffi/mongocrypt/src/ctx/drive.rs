//! The exported functions that carry an operation from step to step.

use std::ffi::{CString, c_char};
use std::ptr;

use fieldveil_core::Step;

use super::{Ctx, Phase, WRONG_STATE, call};
use crate::binary::Binary;
use crate::clock;
use crate::kms::KmsCtx;

/// Points `op_bson` at the filter or command to run. It lives as long as the context.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_mongo_op(
    ctx: Option<&mut Ctx>,
    op_bson: Option<&mut Binary>,
) -> bool {
    call(ctx, false, |ctx| {
        let operation = ctx.operation()?;
        op_bson.ok_or("invalid NULL output")?.set(operation);
        Ok(true)
    })
}

/// The database to list collections of. It lives as long as the context.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_mongo_db(ctx: Option<&mut Ctx>) -> *const c_char {
    call(ctx, ptr::null(), |ctx| {
        let database = match ctx.step()? {
            Step::CollectionInfo(need) if need.is_other_database() => need.database().to_owned(),
            _ => return Err(WRONG_STATE.into()),
        };
        if ctx.database.is_none() {
            ctx.database = Some(CString::new(database).map_err(|_| "invalid name of database")?);
        }
        Ok(ctx.database.as_ref().map_or(ptr::null(), |database| database.as_ptr()))
    })
}

/// Feeds one document of the answer.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_mongo_feed(ctx: Option<&mut Ctx>, reply: Option<&Binary>) -> bool {
    call(ctx, false, |ctx| {
        let mut random = ctx.engine.random;
        let mut env = clock::env(&mut random);
        let step = ctx.step()?;
        let view = reply.ok_or("invalid NULL input")?;
        let document = |malformed: &'static str| view.document().ok_or(malformed);
        match step {
            Step::CollectionInfo(need) => need.feed(document("BSON malformed")?),
            Step::Markings(need) => need.feed(document("BSON malformed")?, &mut env),
            Step::Keys(need) => need.feed(document("malformed BSON for key document")?),
            Step::Credentials(_) | Step::Kms(_) | Step::Ready(_) => return Err(WRONG_STATE.into()),
        }?;
        Ok(true)
    })
}

/// Ends the answer.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_mongo_done(ctx: Option<&mut Ctx>) -> bool {
    call(ctx, false, |ctx| {
        match ctx.take_step()? {
            Step::CollectionInfo(need) => ctx.go_on(|_, env| need.done(env))?,
            Step::Markings(need) => ctx.go_on(|_, env| need.done(env))?,
            Step::Keys(need) => ctx.go_on(|_, env| need.done(env))?,
            Step::Credentials(_) | Step::Kms(_) | Step::Ready(_) => {
                return Err(WRONG_STATE.into());
            }
        }
        Ok(true)
    })
}

/// The next exchange with a key service, or NULL if all were handed out. It lives as long as the
/// context, and may be used until `mongocrypt_ctx_kms_done`.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_next_kms_ctx(ctx: Option<&mut Ctx>) -> *mut KmsCtx {
    call(ctx, ptr::null_mut(), |ctx| match ctx.step()? {
        Step::Kms(_) => Ok(ctx.kms.next()),
        _ => Err(WRONG_STATE.into()),
    })
}

/// Ends the exchanges.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_kms_done(ctx: Option<&mut Ctx>) -> bool {
    call(ctx, false, |ctx| match ctx.take_step()? {
        Step::Kms(need) => {
            ctx.go_on(|_, env| need.done(env))?;
            Ok(true)
        }
        _ => Err(WRONG_STATE.into()),
    })
}

/// Supplies credentials: a document of providers.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_provide_kms_providers(
    ctx: Option<&mut Ctx>,
    kms_providers_definition: Option<&Binary>,
) -> bool {
    call(ctx, false, |ctx| match ctx.take_step()? {
        Step::Credentials(need) => {
            let view = kms_providers_definition;
            let view = view.ok_or("KMS provider credential mapping not provided")?;
            let document = view.document().ok_or("invalid BSON")?;
            ctx.go_on(|_, env| need.provide(document, env))?;
            Ok(true)
        }
        _ => Err(WRONG_STATE.into()),
    })
}

/// Points `out` at the result. It lives as long as the context.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_finalize(ctx: Option<&mut Ctx>, out: Option<&mut Binary>) -> bool {
    call(ctx, false, |ctx| {
        let Step::Ready(ready) = ctx.step()? else { return Err(WRONG_STATE.into()) };
        let out = out.ok_or("invalid NULL output")?;
        ctx.result = ready.take_bytes();
        ctx.leave();
        ctx.phase = Phase::Done;
        out.set(&ctx.result);
        Ok(true)
    })
}
