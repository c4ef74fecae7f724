//! `validate`: do documents and index entries agree?

use std::ops::Bound;

use crate::catalog::{Data, Index};
use crate::code::Code;
use crate::document;
use crate::entry::Entry;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::index_key::forms::Forms;
use crate::namespace::Namespace;
use crate::store::Store;
use crate::tables::{KeyRange, View};
use crate::transaction::{entry_key, keys_of};

/// How many rows are read at a time.
const CHUNK: usize = 256;

/// More faults than this are only counted.
const FAULTS_MAX: usize = 100;

/// What checking a collection found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// How many documents there are.
    pub documents: u64,
    /// Documents that the collection's validator would refuse.
    pub noncompliant: u64,
    /// Each index by name, with how many entries it has.
    pub indexes: Vec<(String, u64)>,
    /// What is wrong, for a person; at most the first hundred faults.
    pub faults: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        }
    }
}

impl Store {
    /// Reads all documents and index entries of a collection and compares them.
    ///
    /// # Errors
    /// `NamespaceNotFound`, `CommandNotSupportedOnView`; what is wrong with the data stands in the
    /// report.
    pub fn check_collection(
        &self,
        namespace: &Namespace,
        interrupt: &Interrupt,
    ) -> Result<CheckReport> {
        let snapshot = self.snapshot();
        let collection = snapshot.collection(namespace).ok_or_else(|| {
            StoreError::new(
                Code::NAMESPACE_NOT_FOUND,
                format!("Collection '{namespace}' does not exist to validate."),
            )
        })?;
        let data = collection.data().ok_or_else(|| {
            StoreError::new(Code::COMMAND_NOT_SUPPORTED_ON_VIEW, "Cannot validate a view")
        })?;
        check(data, &snapshot.view(data)?, interrupt)
    }

    /// Checks every collection; answers the reports of those with faults.
    ///
    /// # Errors
    /// Only of the storage.
    pub fn check(&self, interrupt: &Interrupt) -> Result<Vec<(Namespace, CheckReport)>> {
        let mut faulty = Vec::new();
        for namespace in self.namespaces() {
            let report = self.check_collection(&namespace, interrupt)?;
            if !report.is_sound() {
                faulty.push((namespace, report));
            }
        }
        Ok(faulty)
    }

    /// All collections, without views.
    pub(crate) fn namespaces(&self) -> Vec<Namespace> {
        let snapshot = self.snapshot();
        let catalog = snapshot.catalog();
        catalog
            .databases()
            .flat_map(|database| catalog.collections(database))
            .filter(|collection| collection.data().is_some())
            .map(|collection| collection.namespace.clone())
            .collect()
    }
}

fn check(data: &Data, view: &dyn View, interrupt: &Interrupt) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let mut expected = vec![0_u64; data.indexes.len()];
    let (mut position, mut chunk) = (None, Vec::new());
    loop {
        interrupt.check()?;
        chunk.clear();
        view.records(position, false, CHUNK, &mut chunk)?;
        let Some((last, _)) = chunk.last() else { break };
        position = Some(*last);
        for (record, document) in &chunk {
            report.documents += 1;
            if let Err(error) = document::check_updated(document) {
                report.fault(format!("record {record}: {error}"));
                continue;
            }
            report.noncompliant += u64::from(!data.validation.is_satisfied(document)?);
            for (index, expected) in data.indexes.iter().zip(&mut expected) {
                let keys = match keys_of(index, document) {
                    Ok(keys) => keys,
                    Err(error) => {
                        report.fault(format!("record {record}: {error}"));
                        continue;
                    }
                };
                for (key, forms) in &keys.keys {
                    *expected += 1;
                    let entry = view.entry(index.id, &entry_key(index, key, *record))?;
                    if let Some(fault) = entry_fault(entry, *record, *forms) {
                        report.fault(format!("record {record} {fault} index {}", index.spec.name));
                    }
                }
            }
        }
    }
    for (index, expected) in data.indexes.iter().zip(expected) {
        let found = entries(index, view, interrupt)?;
        let name = &index.spec.name;
        if found != expected {
            report.fault(format!(
                "index {name} has {found} entries where the documents have {expected}"
            ));
        }
        report.indexes.push((name.clone(), found));
    }
    Ok(report)
}

/// What is wrong with the entry that a record should have.
fn entry_fault(entry: Option<Entry>, record: u64, forms: Forms) -> Option<&'static str> {
    match entry {
        None => Some("is missing in"),
        Some(entry) if entry.record != record => Some("is missing in"),
        // Entries of the first format say nothing of their values.
        Some(entry) if entry.forms != forms && entry.forms != Forms::UNKNOWN => {
            Some("has values of other types in")
        }
        Some(_) => None,
    }
}

/// Counts the entries of an index by reading them.
fn entries(index: &Index, view: &dyn View, interrupt: &Interrupt) -> Result<u64> {
    let mut range = KeyRange { lower: Bound::Unbounded, upper: Bound::Unbounded };
    let (mut count, mut chunk) = (0, Vec::new());
    loop {
        interrupt.check()?;
        chunk.clear();
        view.entries(index.id, &range, false, CHUNK, &mut chunk)?;
        count += u64::try_from(chunk.len()).unwrap_or(0);
        match chunk.pop() {
            Some((last, _)) => range.lower = Bound::Excluded(last),
            None => return Ok(count),
        }
    }
}
