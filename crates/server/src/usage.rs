//! What commands have taken on each collection: for `top` and `$collStats`.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf, raw::cstr, rawdoc};

use crate::{
    reply::append_named,
    request::Request,
    table::{Access, Command},
};

/// Most collections that are counted; names that nobody has used cost memory too.
const MAX_COLLECTIONS: usize = 10_000;

/// Steps of a histogram of microseconds, each twice as long as the one before.
const STEPS: usize = 32;

/// Names of the kinds that `top` tells apart, in the order of [`Kind`].
const KINDS: [&str; 6] = ["queries", "getmore", "insert", "update", "remove", "commands"];

#[derive(Clone, Copy)]
enum Kind {
    Query,
    GetMore,
    Insert,
    Update,
    Remove,
    Other,
}

impl Kind {
    fn of(command: &Command) -> Self {
        match command.name {
            "find" => Self::Query,
            "getMore" => Self::GetMore,
            "insert" => Self::Insert,
            "update" => Self::Update,
            "delete" => Self::Remove,
            _ => Self::Other,
        }
    }
}

/// Which latency of `$collStats` a command belongs to.
#[derive(Clone, Copy)]
enum Class {
    Read,
    Write,
    Other,
}

impl Class {
    fn of(command: &Command) -> Self {
        match command.access {
            Access::Read => Self::Read,
            Access::Write => Self::Write,
            _ => Self::Other,
        }
    }
}

/// A number of commands and how long they took together.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    count: i64,
    micros: i64,
}

impl Spent {
    fn add(&mut self, micros: u64) {
        self.count += 1;
        self.micros = self.micros.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX));
    }

    fn show(self) -> RawDocumentBuf {
        rawdoc! { "time": self.micros, "count": self.count }
    }
}

#[derive(Debug, Default)]
struct Latency {
    all: Spent,
    histogram: [u32; STEPS],
}

impl Latency {
    fn add(&mut self, micros: u64) {
        self.all.add(micros);
        let step = usize::try_from(micros.checked_ilog2().unwrap_or(0)).unwrap_or(0);
        if let Some(count) = self.histogram.get_mut(step.min(STEPS - 1)) {
            *count = count.saturating_add(1);
        }
    }

    fn show(&self, with_histogram: bool) -> RawDocumentBuf {
        let mut shown = RawDocumentBuf::new();
        if with_histogram {
            let mut steps = RawArrayBuf::new();
            for (step, &count) in self.histogram.iter().enumerate().filter(|(_, count)| **count > 0)
            {
                let micros = if step == 0 { 0 } else { 1_i64 << step };
                steps.push(rawdoc! { "micros": micros, "count": i64::from(count) });
            }
            shown.append(cstr!("histogram"), steps);
        }
        shown.append(cstr!("latency"), self.all.micros);
        shown.append(cstr!("ops"), self.all.count);
        shown
    }
}

/// What the commands on one collection took.
#[derive(Debug, Default)]
struct Taken {
    kinds: [Spent; KINDS.len()],
    latencies: [Latency; 3],
    /// Commands that only read.
    reading: Spent,
    /// Commands that may write.
    writing: Spent,
}

/// By database and collection, so that looking it up builds no name.
type ByNamespace = HashMap<String, HashMap<String, Taken>>;

/// Counters for each collection since the start.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<ByNamespace>);

impl Usage {
    /// Counts a command that has ended, if it was on a collection.
    pub(crate) fn add(&self, command: &Command, request: &Request, micros: u64) {
        let Some(collection) = collection(command, request) else { return };
        let mut all = self.lock();
        let Some(taken) = entry(&mut all, &request.database, collection) else { return };
        if let Some(spent) = taken.kinds.get_mut(Kind::of(command) as usize) {
            spent.add(micros);
        }
        let class = Class::of(command);
        if let Some(latency) = taken.latencies.get_mut(class as usize) {
            latency.add(micros);
        }
        match command.access {
            Access::Read | Access::Inspect => taken.reading.add(micros),
            _ => taken.writing.add(micros),
        }
    }

    /// Forgets a collection that was dropped.
    pub(crate) fn forget(&self, database: &str, collection: &str) {
        if let Some(of_database) = self.lock().get_mut(database) {
            of_database.remove(collection);
        }
    }

    /// Forgets a database that was dropped.
    pub(crate) fn forget_database(&self, database: &str) {
        self.lock().remove(database);
    }

    /// The `totals` of `top`.
    pub(crate) fn totals(&self) -> RawDocumentBuf {
        let all = self.lock();
        let mut names: Vec<(String, &Taken)> = all
            .iter()
            .flat_map(|(database, of_database)| {
                let full = move |(name, taken)| (format!("{database}.{name}"), taken);
                of_database.iter().map(full)
            })
            .collect();
        names.sort_by(|left, right| left.0.cmp(&right.0));
        let mut totals = rawdoc! { "note": "all times in microseconds" };
        for (name, taken) in names {
            let mut shown = RawDocumentBuf::new();
            let both = Spent {
                count: taken.reading.count + taken.writing.count,
                micros: taken.reading.micros.saturating_add(taken.writing.micros),
            };
            shown.append(cstr!("total"), both.show());
            shown.append(cstr!("readLock"), taken.reading.show());
            shown.append(cstr!("writeLock"), taken.writing.show());
            for (kind, spent) in KINDS.into_iter().zip(taken.kinds) {
                append_named(&mut shown, kind, &*spent.show());
            }
            append_named(&mut totals, &name, &*shown);
        }
        totals
    }

    /// The `latencyStats` of a collection.
    pub(crate) fn latency(
        &self,
        database: &str,
        collection: &str,
        with_histogram: bool,
    ) -> RawDocumentBuf {
        let all = self.lock();
        let taken = all.get(database).and_then(|of_database| of_database.get(collection));
        let none = Latency::default();
        let mut shown = RawDocumentBuf::new();
        for (index, name) in ["reads", "writes", "commands", "transactions"].into_iter().enumerate()
        {
            let latency = taken.and_then(|taken| taken.latencies.get(index)).unwrap_or(&none);
            append_named(&mut shown, name, &*latency.show(with_histogram));
        }
        shown
    }

    /// A panic elsewhere leaves the counters usable.
    fn lock(&self) -> MutexGuard<'_, ByNamespace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry<'a>(all: &'a mut ByNamespace, database: &str, collection: &str) -> Option<&'a mut Taken> {
    let is_known = all.get(database).is_some_and(|known| known.contains_key(collection));
    if !is_known {
        if all.values().map(HashMap::len).sum::<usize>() >= MAX_COLLECTIONS {
            return None;
        }
        let of_database = all.entry(database.to_owned()).or_default();
        of_database.insert(collection.to_owned(), Taken::default());
    }
    all.get_mut(database)?.get_mut(collection)
}

/// The collection that a command names, in its own database.
fn collection<'a>(command: &Command, request: &'a Request) -> Option<&'a str> {
    let is_on_one = matches!(
        command.access,
        Access::Read | Access::Inspect | Access::Write | Access::Index | Access::DatabaseAdmin
    );
    if !is_on_one || command.names_namespace() {
        return None;
    }
    let name = if command.name == "getMore" { "collection" } else { request.name.as_str() };
    match request.body.get(name) {
        Ok(Some(RawBsonRef::String(collection))) => Some(collection),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    fn request(body: RawDocumentBuf) -> Request {
        let message = fieldveil_wire::OpMsg::new(body);
        Request::from_operation(fieldveil_wire::Operation::Msg(message)).unwrap()
    }

    #[test]
    fn commands_are_counted_by_kind_and_class() {
        let usage = Usage::default();
        for (name, micros) in [("find", 5), ("find", 1), ("insert", 1000), ("count", 0)] {
            let mut body = RawDocumentBuf::new();
            append_named(&mut body, name, "c");
            body.append(cstr!("$db"), "d");
            let request = request(body);
            usage.add(table::find(name).unwrap(), &request, micros);
        }
        let totals = usage.totals();
        let shown = totals.get_document("d.c").unwrap();
        let of = |name| {
            let spent = shown.get_document(name).unwrap();
            (spent.get_i64("count").unwrap(), spent.get_i64("time").unwrap())
        };
        assert_eq!(of("total"), (4, 1006));
        assert_eq!(of("readLock"), (3, 6));
        assert_eq!(of("writeLock"), (1, 1000));
        assert_eq!(of("queries"), (2, 6));
        assert_eq!(of("commands"), (1, 0));
        let latency = usage.latency("d", "c", true);
        let reads = latency.get_document("reads").unwrap();
        assert_eq!(reads.get_i64("ops").unwrap(), 3);
        assert_eq!(
            reads.get_array("histogram").unwrap().to_owned(),
            [
                rawdoc! { "micros": 0_i64, "count": 2_i64 },
                rawdoc! { "micros": 4_i64, "count": 1_i64 }
            ]
            .into_iter()
            .collect::<RawArrayBuf>()
        );
        usage.forget("d", "c");
        assert!(usage.totals().get("d.c").unwrap().is_none());
    }

    #[test]
    fn names_that_are_no_collections_do_not_fill_the_memory() {
        let usage = Usage::default();
        let find = table::find("find").unwrap();
        for number in 0..MAX_COLLECTIONS + 10 {
            usage.add(find, &request(rawdoc! { "find": format!("c{number}"), "$db": "d" }), 1);
        }
        assert_eq!(usage.totals().iter().count(), 1 + MAX_COLLECTIONS);
        let create = table::find("createUser").unwrap();
        usage.forget_database("d");
        usage.add(create, &request(rawdoc! { "createUser": "ada", "$db": "d" }), 1);
        assert_eq!(usage.totals().iter().count(), 1);
    }
}
