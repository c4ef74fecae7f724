//! What makes a write command one that may be repeated: `lsid`, `txnNumber` and `stmtId`.

use bson::{RawArrayBuf, RawDocumentBuf, raw::cstr};
use fieldveil_store::{RetryKey, StatementIds};
use sha2::{Digest, Sha256};

use crate::{arguments::integer, call::Call, codes, error::CommandError, sessions::SessionId};

/// The commands that `txnNumber` may stand in, outside of transactions.
pub(crate) const COMMANDS: &[&str] = &["insert", "update", "delete", "findAndModify", "bulkWrite"];

/// The key under which the results of a command with `count` statements are kept, if it has one.
///
/// # Errors
/// Ids that are no numbers, or not one for each statement.
pub(crate) fn key(call: &Call<'_>, count: usize) -> Result<Option<RetryKey>, CommandError> {
    let arguments = &call.arguments;
    let (Some(session), Some(number)) = (call.session, arguments.integer("txnNumber")?) else {
        return Ok(None);
    };
    let invalid = |message: &str| CommandError::new(codes::INVALID_OPTIONS, message);
    let narrow = |id: i64| i32::try_from(id).map_err(|_| invalid("'stmtId' is out of range"));
    let first = arguments.integer("stmtId")?;
    let statements = match (first, arguments.array("stmtIds")?) {
        (Some(_), Some(_)) => {
            return Err(invalid("May not specify both stmtId and stmtIds in write command"));
        }
        (first, None) => StatementIds::From(narrow(first.unwrap_or(0))?),
        (None, Some(list)) => {
            let mut ids = Vec::new();
            for id in list {
                let id = id.ok().and_then(integer);
                let id = id.ok_or_else(|| invalid("'stmtIds' must be an array of numbers"))?;
                ids.push(narrow(id)?);
            }
            if ids.len() != count {
                return Err(invalid(
                    "Number of statement ids must match the number of batch entries",
                ));
            }
            StatementIds::Listed(ids)
        }
    };
    Ok(Some(RetryKey { session: owned_session(call, session), number, statements }))
}

/// Two users may choose the same id; they have two sessions then.
fn owned_session(call: &Call<'_>, session: SessionId) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(session);
    for user in call.peer.users(call.shared) {
        for part in [&user.name.database, &user.name.user] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

/// Says in a reply which statements were not done again.
pub(crate) fn append_repeated(reply: &mut RawDocumentBuf, repeated: &[i32]) {
    if !repeated.is_empty() {
        let ids: RawArrayBuf = repeated.iter().copied().collect();
        reply.append(cstr!("retriedStmtIds"), ids);
    }
}
