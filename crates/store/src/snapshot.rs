//! What readers see: the last committed state.

use std::sync::Arc;

use crate::catalog::{Catalog, Collection, Data};
use crate::error::Result;
use crate::namespace::Namespace;
use crate::tables::{CommittedView, Tables};

/// The committed catalog and tables at one moment. Cursors keep it alive.
pub(crate) struct Snapshot {
    catalog: Arc<Catalog>,
    tables: Tables,
}

impl Snapshot {
    pub(crate) fn new(catalog: Arc<Catalog>, tables: Tables) -> Self {
        Self { catalog, tables }
    }

    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(crate) fn collection(&self, namespace: &Namespace) -> Option<&Arc<Collection>> {
        self.catalog.get(namespace)
    }

    pub(crate) fn view(self: &Arc<Self>, data: &Data) -> Result<CommittedView> {
        CommittedView::new(Arc::clone(self), data.id)
    }
}
