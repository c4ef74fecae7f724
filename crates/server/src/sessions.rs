//! Logical sessions: an id that a driver chose, and when it was last used.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bson::{RawBsonRef, RawDocument, spec::BinarySubtype};

use crate::{codes, error::CommandError};

/// The UUID of `lsid.id`.
pub(crate) type SessionId = [u8; 16];

/// Most sessions at once, as the server's own limit.
const MAX_SESSIONS: usize = 1_000_000;

/// The sessions that were used lately.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    used: Mutex<HashMap<SessionId, Instant>>,
}

impl Sessions {
    /// Notes that a session was used.
    ///
    /// # Errors
    /// When there are too many sessions.
    pub(crate) fn touch(&self, id: SessionId, now: Instant) -> Result<(), CommandError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_SESSIONS && !used.contains_key(&id) {
            return Err(CommandError::new(
                261,
                "cannot add session into the cache: too many sessions are active",
            ));
        }
        used.insert(id, now);
        Ok(())
    }

    /// Forgets a session; says whether it was known.
    pub(crate) fn end(&self, id: SessionId) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).remove(&id).is_some()
    }

    /// Forgets every session, and gives their ids.
    pub(crate) fn end_all(&self) -> Vec<SessionId> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.drain().map(|(id, _)| id).collect()
    }

    /// Forgets the sessions that were not used for `timeout`, and gives their ids.
    pub(crate) fn expire(&self, now: Instant, timeout: Duration) -> Vec<SessionId> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let expired: Vec<SessionId> = used
            .iter()
            .filter(|(_, last)| now.duration_since(**last) >= timeout)
            .map(|(id, _)| *id)
            .collect();
        for id in &expired {
            used.remove(id);
        }
        expired
    }

    /// Every session, and when it was last used.
    pub(crate) fn list(&self) -> Vec<(SessionId, Instant)> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().map(|(id, last)| (*id, *last)).collect()
    }

    /// How many sessions are known.
    pub(crate) fn len(&self) -> usize {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Reads `{ id: UUID }`.
pub(crate) fn parse_id(document: &RawDocument) -> Result<SessionId, CommandError> {
    let invalid = |message: &str| CommandError::new(codes::INVALID_OPTIONS, message);
    match document.get("id") {
        Ok(Some(RawBsonRef::Binary(binary))) if binary.subtype == BinarySubtype::Uuid => {
            <[u8; 16]>::try_from(binary.bytes).map_err(|_| {
                CommandError::new(207, "uuid must be a 16-byte binary field with UUID (4) subtype")
            })
        }
        Ok(Some(_)) => {
            Err(CommandError::new(207, "uuid must be a 16-byte binary field with UUID (4) subtype"))
        }
        _ => Err(invalid("BSON field 'lsid.id' is missing but a required field")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_expire_when_they_are_not_used() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        sessions.touch([1; 16], start).unwrap();
        sessions.touch([2; 16], start + minute).unwrap();
        assert_eq!(sessions.expire(start + minute, minute), [[1; 16]]);
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn one_session_too_many_is_refused_and_known_ones_go_on() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let id = |number: usize| (number as u128).to_be_bytes();
        sessions.used.lock().unwrap().extend((0..MAX_SESSIONS).map(|number| (id(number), now)));
        assert_eq!(sessions.touch(id(MAX_SESSIONS), now).unwrap_err().code, 261);
        sessions.touch(id(7), now).unwrap();
        assert!(sessions.end(id(7)));
        sessions.touch(id(MAX_SESSIONS), now).unwrap();
    }
}
