//! Time to live: removing documents whose time has come.

use bson::raw::RawDocumentBuf;
use bson::{DateTime, rawdoc};
use fieldveil_query::document::single;

use crate::catalog::Index;
use crate::environment::Interrupt;
use crate::error::Result;
use crate::namespace::Namespace;
use crate::store::Store;
use crate::write::{DeleteStatement, WriteOptions};

impl Store {
    /// Removes the documents whose date in a TTL index is `expireAfterSeconds` before `now_ms`
    /// (milliseconds since the Unix epoch) or earlier; answers how many. Of several dates in an
    /// array the earliest counts.
    ///
    /// # Errors
    /// Only if nothing could be committed.
    pub fn expire(&self, now_ms: i64, interrupt: &Interrupt) -> Result<u64> {
        let mut removed = 0;
        for (namespace, filter) in self.due(now_ms) {
            let statement =
                DeleteStatement { filter, only_one: false, hint: None, collation: None };
            let options = WriteOptions { interrupt: interrupt.clone(), ..WriteOptions::default() };
            let outcome = self.delete(&namespace, vec![statement], &options)?;
            removed += outcome.deleted;
            for failed in outcome.errors {
                tracing::warn!(%namespace, error = %failed.error, "expiring documents failed");
            }
        }
        Ok(removed)
    }

    /// For each TTL index, the filter of what is due.
    fn due(&self, now_ms: i64) -> Vec<(Namespace, RawDocumentBuf)> {
        let snapshot = self.snapshot();
        let catalog = snapshot.catalog();
        let mut due = Vec::new();
        for collection in catalog.databases().flat_map(|name| catalog.collections(name)) {
            let indexes = collection.data().map_or(&[][..], |data| &data.indexes);
            for filter in indexes.iter().filter_map(|index| due_filter(index, now_ms)) {
                due.push((collection.namespace.clone(), filter));
            }
        }
        due
    }
}

fn due_filter(index: &Index, now_ms: i64) -> Option<RawDocumentBuf> {
    let seconds = index.spec.expire_after_secs?;
    let field = index.spec.fields.first()?;
    let latest = DateTime::from_millis(now_ms.saturating_sub(seconds.saturating_mul(1000)));
    let due = single(&field.path, &*rawdoc! {"$lte": latest});
    Some(match &index.spec.partial {
        Some(partial) => rawdoc! {"$and": [due, partial.document().clone()]},
        None => due,
    })
}
