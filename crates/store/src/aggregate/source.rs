//! Other collections, as pipelines see them: `$lookup`, `$unionWith`, `$out`, `$merge`.

use std::sync::Arc;

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::rawdoc;
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::filter::Filter;
use fieldveil_query::pipeline::{self, Pipeline};

use super::Run;
use crate::admin::CollectionStats;
use crate::catalog::whole_number;
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::eval::Context;
use crate::eval::pipeline::{Decide, Documents, Environment, Merging, Source};
use crate::namespace::Namespace;
use crate::order::Budget;
use crate::scan::SharedInterrupt;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::transaction::Transaction;
use crate::write::{WriteOptions, merge, writable};

/// How many documents `$out` writes at a time.
const OUT_BATCH: usize = 1000;

/// The beginning of the names of collections that `$out` fills before they take their place.
const OUT_PREFIX: &str = "tmp.agg_out.";

/// The store as one aggregation sees it: reads come from its snapshot.
pub(super) struct StoreSource {
    pub(super) store: Store,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) context: Context,
    pub(super) budget: Budget,
    pub(super) database: String,
    pub(super) collection: Option<String>,
    pub(super) bypass_document_validation: bool,
    pub(super) interrupt: SharedInterrupt,
    pub(super) latency_stats: Option<RawDocumentBuf>,
}

impl StoreSource {
    fn namespace(&self, namespace: &pipeline::Namespace) -> Result<Namespace> {
        let database = namespace.database.as_deref().unwrap_or(&self.database);
        Namespace::new(database, &namespace.collection)
    }

    fn write_options(&self) -> WriteOptions {
        WriteOptions {
            bypass_document_validation: self.bypass_document_validation,
            ..WriteOptions::default()
        }
    }

    /// Runs a pipeline on a collection or view, on the same snapshot.
    fn read(
        &self,
        namespace: &Namespace,
        pipeline: Pipeline,
        context: &Context,
    ) -> Result<Documents> {
        let source = Self {
            store: self.store.clone(),
            snapshot: Arc::clone(&self.snapshot),
            context: self.context.clone(),
            budget: self.budget.clone(),
            database: namespace.database().to_owned(),
            collection: Some(namespace.collection().to_owned()),
            bypass_document_validation: self.bypass_document_validation,
            interrupt: self.interrupt.clone(),
            latency_stats: None,
        };
        let environment = Environment {
            context: context.clone(),
            source: Arc::new(source),
            memory_limit: self.budget.memory_bytes,
            spill: self.budget.spill.clone(),
        };
        let run = Run {
            snapshot: Arc::clone(&self.snapshot),
            environment,
            interrupt: self.interrupt.clone(),
        };
        run.on(namespace, pipeline, None)
    }

    /// Fills a new collection and puts it in the place of the old one, whose options and indexes
    /// it takes over.
    fn out(&self, target: &Namespace, documents: Documents) -> Result<()> {
        let name = format!("{OUT_PREFIX}{}", bson::Uuid::new());
        let temporary = Namespace::new(target.database(), &name)?;
        let source = target.clone();
        let to = temporary.clone();
        self.store.write(move |transaction| copy_definition(transaction, &source, &to))?;
        let result = self
            .fill(&temporary, documents)
            .and_then(|()| self.store.rename_collection(&temporary, target, true));
        if result.is_err() {
            self.store.drop_collection(&temporary)?;
        }
        result
    }

    fn fill(&self, namespace: &Namespace, documents: Documents) -> Result<()> {
        let mut documents = documents;
        let options = self.write_options();
        loop {
            self.interrupt.check()?;
            let batch: Vec<RawDocumentBuf> =
                documents.by_ref().take(OUT_BATCH).collect::<Result<_, QueryError>>()?;
            if batch.is_empty() {
                return Ok(());
            }
            let outcome = self.store.insert(namespace, batch, &options)?;
            if let Some(failed) = outcome.errors.into_iter().next() {
                return Err(failed.error);
            }
        }
    }
}

impl Store {
    /// Drops the collections that an `$out` was filling when the process ended.
    pub(crate) fn remove_unfinished(&self) -> Result<()> {
        for namespace in self.namespaces() {
            if namespace.collection().starts_with(OUT_PREFIX) {
                tracing::info!(%namespace, "removing what an interrupted $out left");
                self.drop_collection(&namespace)?;
            }
        }
        Ok(())
    }
}

impl Source for StoreSource {
    fn documents(&self, namespace: &pipeline::Namespace) -> Result<Documents, QueryError> {
        let namespace = self.namespace(namespace)?;
        Ok(self.read(&namespace, Pipeline::default(), &self.context)?)
    }

    fn find(
        &self,
        namespace: &pipeline::Namespace,
        filter: &Filter,
        context: &Context,
    ) -> Result<Documents, QueryError> {
        let namespace = self.namespace(namespace)?;
        let pipeline = Pipeline { stages: vec![pipeline::Stage::Match(filter.clone())] };
        Ok(self.read(&namespace, pipeline, context)?)
    }

    fn replace(
        &self,
        namespace: &pipeline::Namespace,
        documents: Documents,
    ) -> Result<(), QueryError> {
        let namespace = self.namespace(namespace)?;
        Ok(self.out(&namespace, documents)?)
    }

    fn merge(
        &self,
        namespace: &pipeline::Namespace,
        batch: Vec<Merging>,
        decide: Decide,
    ) -> Result<(), QueryError> {
        self.interrupt.check()?;
        let namespace = self.namespace(namespace)?;
        let options = self.write_options();
        let collation = self.context.collation.clone();
        Ok(self.store.write(move |transaction| {
            merge(transaction, &namespace, batch, &*decide, collation, &options)
        })?)
    }

    fn go_on(&self) -> Result<(), QueryError> {
        Ok(self.interrupt.check()?)
    }

    fn report(&self, stage: &str, argument: &RawBson) -> Result<Option<Documents>, QueryError> {
        let Some(collection) = &self.collection else { return Ok(None) };
        let namespace = Namespace::new(&self.database, collection).map_err(QueryError::from)?;
        let documents = match stage {
            "$indexStats" => self.index_stats(&namespace),
            // Every query is planned when it runs.
            "$planCacheStats" => Vec::new(),
            "$collStats" => self.collection_report(&namespace, argument)?,
            _ => return Ok(None),
        };
        Ok(Some(Box::new(documents.into_iter().map(Ok))))
    }
}

impl StoreSource {
    fn index_stats(&self, namespace: &Namespace) -> Vec<RawDocumentBuf> {
        let data = self.snapshot.collection(namespace).and_then(|found| found.data());
        let indexes = data.map_or(&[][..], |data| &data.indexes);
        indexes
            .iter()
            .map(|index| {
                rawdoc! {
                    "name": index.spec.name.as_str(),
                    "key": index.spec.key.clone(),
                    "accesses": {"ops": 0_i64, "since": self.context.now},
                    "spec": index.spec.document.clone(),
                }
            })
            .collect()
    }

    fn collection_report(
        &self,
        namespace: &Namespace,
        argument: &RawBson,
    ) -> Result<Vec<RawDocumentBuf>, QueryError> {
        let stats = self.store.collection_stats(namespace)?;
        let mut out = rawdoc! {"ns": namespace.as_str(), "localTime": self.context.now};
        let RawBson::Document(argument) = argument else {
            return Err(QueryError::new(40166, "$collStats must take a nested object"));
        };
        for field in argument.iter() {
            let (name, value) = field?;
            let RawBsonRef::Document(options) = value else {
                return Err(QueryError::new(
                    40167,
                    format!("{name} argument must be an object, but got {value:?}"),
                ));
            };
            match (name.as_str(), &self.latency_stats) {
                ("count", _) => out.append(cstr!("count"), number(stats.documents)),
                ("storageStats", _) => {
                    out.append(cstr!("storageStats"), storage_stats(&stats, options)?);
                }
                ("latencyStats", Some(latency)) => {
                    out.append(cstr!("latencyStats"), latency.clone());
                }
                (other, _) => {
                    return Err(QueryError::not_supported(format!("$collStats with '{other}'")));
                }
            }
        }
        Ok(vec![out])
    }
}

/// The section `storageStats` of `$collStats`, which is what `collStats` answers.
fn storage_stats(
    stats: &CollectionStats,
    options: &RawDocument,
) -> Result<RawDocumentBuf, QueryError> {
    let scale = match options.get("scale")?.map(|scale| (scale, whole_number(scale))) {
        None => 1,
        Some((_, Some(scale))) if scale >= 1 => u64::try_from(scale).unwrap_or(1),
        Some((value, _)) => {
            return Err(QueryError::new(
                51024,
                format!("BSON field 'scale' value must be >= 1, actual value '{value:?}'"),
            ));
        }
    };
    let index_bytes: u64 = stats.indexes.iter().map(|(_, bytes)| bytes).sum();
    let mut sizes = RawDocumentBuf::new();
    for (name, bytes) in &stats.indexes {
        append(&mut sizes, name, &RawBson::Int64(number(bytes / scale)))?;
    }
    let mut out = rawdoc! {
        "size": number(stats.data_bytes / scale),
        "count": number(stats.documents),
    };
    if let Some(average) = stats.data_bytes.checked_div(stats.documents) {
        out.append(cstr!("avgObjSize"), number(average));
    }
    out.append(cstr!("numOrphanDocs"), 0_i32);
    out.append(cstr!("storageSize"), number(stats.storage_bytes / scale));
    out.append(cstr!("freeStorageSize"), 0_i32);
    out.append(cstr!("capped"), stats.capped.is_some());
    if let Some((bytes, documents)) = stats.capped {
        out.append(cstr!("maxSize"), number(bytes / scale));
        out.append(cstr!("max"), number(documents.unwrap_or(0)));
    }
    out.append(cstr!("nindexes"), i32::try_from(stats.indexes.len()).unwrap_or(i32::MAX));
    out.append(cstr!("totalIndexSize"), number(index_bytes / scale));
    out.append(cstr!("totalSize"), number((index_bytes + stats.storage_bytes) / scale));
    out.append(cstr!("indexSizes"), sizes);
    out.append(cstr!("scaleFactor"), number(scale));
    Ok(out)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Creates `to` with the options and indexes of `from`, if that exists.
fn copy_definition(
    transaction: &mut Transaction<'_>,
    from: &Namespace,
    to: &Namespace,
) -> Result<()> {
    let existing = writable(transaction, from)?;
    let Some(existing) = existing else {
        return crate::admin::create::implicitly(transaction, to).map(|_| ());
    };
    let data = existing.writable_data()?;
    if data.capped.is_some() {
        return Err(StoreError::new(
            Code::location(17152),
            format!("namespace '{from}' is capped so it can't be used for $out"),
        ));
    }
    let created = crate::admin::create::create(transaction, to, existing.options.clone())?;
    let mut copy = created.writable_data()?.clone();
    for index in data.indexes.iter().filter(|index| !index.spec.is_id_index()) {
        copy.indexes.push(Arc::new(transaction.new_index(index.spec.clone())?));
    }
    transaction.save(crate::catalog::Collection {
        kind: crate::catalog::Kind::Data(copy),
        ..(*created).clone()
    })
}
