//! The results in a row of the `retries` table.
//!
//! ```text
//! { done: [ { s: i32, c: i32 }                          c inserts, from statement s on
//!           { s: i32, m: i64, n: i64, u: any }          an update: matched, modified, upserted
//!           { s: i32, d: i64 }                          a delete: removed
//!           { s: i32, f: { v: {..}, e: bool, n: i64, u: any } } ] }   a findAndModify
//! ```

use std::collections::BTreeMap;

use bson::raw::{RawArrayBuf, RawBson, RawDocument, RawDocumentBuf, cstr};
use bson::rawdoc;

use super::Done;
use crate::error::{Result, StoreError};
use crate::write::FindAndModifyOutcome;

pub(super) fn write(done: &BTreeMap<i32, Done>) -> RawDocumentBuf {
    let mut entries = RawArrayBuf::new();
    let mut rest = done.iter().peekable();
    while let Some((statement, result)) = rest.next() {
        let mut entry = rawdoc! {"s": *statement};
        match result {
            Done::Inserted => {
                let mut count = 1_i32;
                while rest
                    .next_if(|(next, result)| {
                        statement.checked_add(count) == Some(**next) && **result == Done::Inserted
                    })
                    .is_some()
                {
                    count += 1;
                }
                entry.append(cstr!("c"), count);
            }
            Done::Updated { matched, modified, upserted } => {
                entry.append(cstr!("m"), to_i64(*matched));
                entry.append(cstr!("n"), to_i64(*modified));
                if let Some(id) = upserted {
                    entry.append(cstr!("u"), id.clone());
                }
            }
            Done::Deleted(count) => entry.append(cstr!("d"), to_i64(*count)),
            Done::FindAndModify(outcome) => {
                let mut inner = rawdoc! {"e": outcome.updated_existing, "n": to_i64(outcome.n)};
                if let Some(value) = &outcome.value {
                    inner.append(cstr!("v"), value.clone());
                }
                if let Some(id) = &outcome.upserted {
                    inner.append(cstr!("u"), id.clone());
                }
                entry.append(cstr!("f"), inner);
            }
        }
        entries.push(entry);
    }
    rawdoc! {"done": entries}
}

pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<i32, Done>> {
    parse(bytes).map_err(|error| StoreError::damaged(format_args!("a retryable write: {error}")))
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<i32, Done>> {
    let mut done = BTreeMap::new();
    for entry in RawDocument::from_bytes(bytes)?.get_array("done").map_err(invalid)? {
        let entry = entry?.as_document().ok_or_else(|| invalid("an entry"))?;
        let statement = entry.get_i32("s").map_err(invalid)?;
        if let Ok(count) = entry.get_i32("c") {
            done.extend(
                (statement..statement.saturating_add(count)).map(|id| (id, Done::Inserted)),
            );
        } else if let Ok(matched) = entry.get_i64("m") {
            let result = Done::Updated {
                matched: to_u64(matched)?,
                modified: to_u64(entry.get_i64("n").map_err(invalid)?)?,
                upserted: entry.get("u")?.map(RawBson::from),
            };
            done.insert(statement, result);
        } else if let Ok(count) = entry.get_i64("d") {
            done.insert(statement, Done::Deleted(to_u64(count)?));
        } else {
            let inner = entry.get_document("f").map_err(invalid)?;
            let outcome = FindAndModifyOutcome {
                value: inner.get_document("v").ok().map(ToOwned::to_owned),
                updated_existing: inner.get_bool("e").map_err(invalid)?,
                n: to_u64(inner.get_i64("n").map_err(invalid)?)?,
                upserted: inner.get("u")?.map(RawBson::from),
                repeated: None,
            };
            done.insert(statement, Done::FindAndModify(Box::new(outcome)));
        }
    }
    Ok(done)
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn to_u64(count: i64) -> Result<u64> {
    u64::try_from(count).map_err(|_| invalid("a negative count"))
}

fn invalid(error: impl std::fmt::Display) -> StoreError {
    StoreError::bad_value(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let value = Some(rawdoc! {"_id": 1, "a": "x"});
        let found =
            FindAndModifyOutcome { value, updated_existing: true, n: 1, ..Default::default() };
        let upserted = Some(RawBson::String("id".to_owned()));
        let done = BTreeMap::from([
            (0, Done::Inserted),
            (1, Done::Inserted),
            (2, Done::Inserted),
            (4, Done::Inserted),
            (5, Done::Updated { matched: 1, modified: 0, upserted: None }),
            (6, Done::Updated { matched: 0, modified: 0, upserted }),
            (7, Done::Deleted(1)),
            (i32::MAX, Done::FindAndModify(Box::new(found))),
        ]);
        let row = write(&done);
        assert_eq!(row.get_array("done").unwrap().into_iter().count(), 6);
        assert_eq!(read(row.as_bytes()).unwrap(), done);
    }

    #[test]
    fn nonsense_is_damage() {
        for bytes in [&b""[..], rawdoc! {"done": [{"s": 1, "d": -1_i64}]}.as_bytes()] {
            assert!(read(bytes).unwrap_err().is(crate::Code::UNRECOVERABLE_STORAGE));
        }
    }
}
