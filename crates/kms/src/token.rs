//! Access tokens of Azure and GCP, kept until shortly before they expire.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{KmsId, SecretText};

/// A token counts as expired this long before it does.
const EARLY: Duration = Duration::from_secs(5);

/// Tokens by provider, shared by all operations of one instance.
#[derive(Default)]
pub struct TokenCache {
    tokens: Mutex<HashMap<KmsId, Entry>>,
}

struct Entry {
    token: Arc<SecretText>,
    expires_at: Duration,
}

impl TokenCache {
    /// The provider's token, if it is still good at `now` (monotonic, from any origin).
    pub(crate) fn get(&self, id: &KmsId, now: Duration) -> Option<Arc<SecretText>> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(id).filter(|entry| now < entry.expires_at).map(|entry| entry.token.clone())
    }

    /// Drops a token that its service no longer takes.
    pub(crate) fn remove(&self, id: &KmsId) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Keeps a token that the service says is good for `expires_in`.
    pub(crate) fn insert(
        &self,
        id: KmsId,
        token: Arc<SecretText>,
        now: Duration,
        expires_in: Duration,
    ) {
        let expires_at = now.saturating_add(expires_in).saturating_sub(EARLY);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(id, Entry { token, expires_at });
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCache(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProviderKind;

    #[test]
    fn a_token_is_dropped_five_seconds_early() {
        let (cache, id) = (TokenCache::default(), KmsId::unnamed(ProviderKind::Gcp));
        let seconds = Duration::from_secs;
        let token = Arc::new(SecretText::new("t".into()));
        cache.insert(id.clone(), token, seconds(100), seconds(60));
        assert!(cache.get(&id, seconds(154)).is_some());
        assert!(cache.get(&id, seconds(155)).is_none());
        assert!(cache.get(&KmsId::parse("gcp:other").unwrap(), seconds(101)).is_none());
    }
}
