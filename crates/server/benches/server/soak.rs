//! Many connections at work for a long time, and the memory they take.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_server::Server;

use crate::client::{Client, batch};

/// Documents of each connection; they are written over and over, so that the data stays as large.
const DOCUMENTS: i32 = 50;

/// Memory is looked at this often, and thirty times in a short run.
const REPORT_INTERVAL: Duration = Duration::from_secs(15);

/// Memory may grow by this much between the second third and the last. What the store keeps of its
/// file is not counted: it has a bound of its own, and the server says how much it is.
const GROWTH: f64 = 1.10;

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) async fn run(server: &Server, data: &Path, time: Duration, connections: usize) {
    let begun = Instant::now();
    let mut watcher = Client::connect(server).await;
    let operations = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..connections {
        let client = Client::connect(server).await;
        let number = i32::try_from(number).unwrap();
        tasks.spawn(work(client, number, begun + time, Arc::clone(&operations)));
    }
    let interval = REPORT_INTERVAL.min(time / 30);
    let mut memory = Vec::new();
    while begun.elapsed() < time {
        tokio::time::sleep(interval.min(time.saturating_sub(begun.elapsed()))).await;
        let (resident, cached) = (resident_mib(), cached_mib(&mut watcher).await);
        memory.push(resident - cached);
        let count = operations.load(Ordering::Relaxed);
        let seconds = begun.elapsed().as_secs_f64();
        let file = std::fs::metadata(data).unwrap().len() as f64 / MIB;
        println!(
            "{seconds:>7.0} s {count:>10} operations {resident:>8.1} MiB, of which {cached:>6.1} \
             cache of a file of {file:.1}"
        );
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let third = memory.len() / 3;
    let (early, late) = (mean(&memory[third..2 * third]), mean(&memory[2 * third..]));
    println!(
        "memory without the cache, second third {early:.1} MiB, last third {late:.1} MiB; no error"
    );
    assert!(late <= early * GROWTH, "memory grows");
}

/// One connection's work: writes, reads by cursor, aggregates, and new connections at times.
async fn work(mut client: Client, number: i32, end: Instant, operations: Arc<AtomicU64>) {
    let collection = format!("soak{}", number % 20);
    let mut round = 0i32;
    while Instant::now() < end {
        round = round.wrapping_add(1);
        let id = number * DOCUMENTS + round.rem_euclid(DOCUMENTS);
        for command in [
            update(&collection, id, round),
            rawdoc! { "find": collection.as_str(), "filter": { "_id": id }, "$db": "bench" },
            count(&collection),
        ] {
            client.ok(command).await;
        }
        // A cursor that is read to its end, and one that is left open and killed.
        let find =
            rawdoc! { "find": collection.as_str(), "batchSize": 20, "limit": 60, "$db": "bench" };
        let mut id = batch(&client.ok(find).await).1;
        while id != 0 && round % 2 == 0 {
            let more = rawdoc! { "getMore": id, "collection": collection.as_str(), "$db": "bench" };
            id = batch(&client.ok(more).await).1;
        }
        if id != 0 {
            let kill =
                rawdoc! { "killCursors": collection.as_str(), "cursors": [id], "$db": "bench" };
            client.ok(kill).await;
        }
        operations.fetch_add(6, Ordering::Relaxed);
    }
}

fn update(collection: &str, id: i32, round: i32) -> RawDocumentBuf {
    let change =
        rawdoc! { "$set": { "round": round, "text": "x".repeat(200) }, "$inc": { "n": 1 } };
    let statement = rawdoc! { "q": { "_id": id }, "u": change, "upsert": true };
    rawdoc! { "update": collection, "updates": [statement], "$db": "bench" }
}

fn count(collection: &str) -> RawDocumentBuf {
    let pipeline = bson::rawbson!([
        { "$match": { "n": { "$gte": 1 } } },
        { "$group": { "_id": null, "sum": { "$sum": "$n" } } },
    ]);
    rawdoc! { "aggregate": collection, "pipeline": pipeline, "cursor": {}, "$db": "bench" }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// What the store keeps of its file in memory, as the server says.
async fn cached_mib(client: &mut Client) -> f64 {
    let status = client.ok(rawdoc! { "serverStatus": 1, "$db": "admin" }).await;
    let cache = status.get_document("storageEngine").unwrap().get_document("cache").unwrap();
    cache.get_i64("bytes").unwrap() as f64 / MIB
}

/// Resident memory of this process, which is the server and its clients.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}
