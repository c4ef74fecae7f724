//! A client's filter, parsed and ready to be matched with documents.

use bson::raw::RawDocument;
use fieldveil_query::filter::Filter;

use crate::error::Result;
use crate::eval::Context;
use crate::eval::matcher::Matcher;

/// A filter and its compiled form.
#[derive(Clone)]
pub(crate) struct Selector {
    filter: Filter,
    matcher: Matcher,
}

impl std::fmt::Debug for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Selector").field(&self.filter).finish()
    }
}

impl Selector {
    /// Parses and compiles a filter document.
    pub(crate) fn compile(filter: &RawDocument, context: &Context) -> Result<Self> {
        Self::new(Filter::parse(filter)?, context)
    }

    /// Compiles a parsed filter.
    pub(crate) fn new(filter: Filter, context: &Context) -> Result<Self> {
        let matcher = Matcher::compile(&filter, context)?;
        Ok(Self { filter, matcher })
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Whether every document is selected.
    pub(crate) fn selects_all(&self) -> bool {
        matches!(&self.filter, Filter::And(parts) if parts.is_empty())
    }

    /// Whether `document` is selected.
    pub(crate) fn matches(&self, document: &RawDocument) -> Result<bool> {
        Ok(self.matcher.matches(document)?)
    }
}
