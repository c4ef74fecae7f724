//! Rates, and what each is compared to.

use std::path::Path;
use std::time::{Duration, Instant};

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_server::Server;
use fieldveil_store::{FindOptions, Namespace, Store};
use redb::{Database, ReadableDatabase, TableDefinition};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::client::{Client, Inserter, RawClient, batch, walk};

const ROUNDS: usize = 7;
const CLIENTS: usize = 64;
const SMALL: i32 = 100_000;
const RAW: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("raw");

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    FindOne,
    Inserts,
    WholeFind,
    Indexed,
}

/// Measures the parts in `only`, or all without.
pub(crate) async fn run(
    server: &Server,
    socket: &Path,
    store: &Store,
    documents: u32,
    time: Duration,
    only: &[Part],
) {
    let is_wanted = |part| only.is_empty() || only.contains(&part);
    let mut client = Client::connect(server).await;
    if is_wanted(Part::FindOne) {
        find_one(&mut client).await;
    }
    if is_wanted(Part::Inserts) {
        inserts(server, socket, time).await;
    }
    if is_wanted(Part::WholeFind) {
        whole_find(server, &mut client, store).await;
    }
    if is_wanted(Part::Indexed) {
        indexed(&mut client, documents).await;
    }
}

/// `find_one` by `_id` beside `ping` on the same connection, in turns.
async fn find_one(client: &mut Client) {
    client.insert("one", (0..1000).map(small).collect()).await;
    let (mut pings, mut finds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        pings.push(rate(client, |_| rawdoc! { "ping": 1, "$db": "bench" }).await);
        let find = |n| {
            let filter = rawdoc! { "_id": n % 1000 };
            rawdoc! { "find": "one", "filter": filter, "limit": 1, "singleBatch": true, "$db": "bench" }
        };
        finds.push(rate(client, find).await);
    }
    let (ping, find) = (median(&mut pings), median(&mut finds));
    report("find_one by _id / ping, one connection", find, ping, "at least 0.7");
}

/// Commands in a second.
async fn rate(client: &mut Client, command: impl Fn(i32) -> RawDocumentBuf) -> f64 {
    let begun = Instant::now();
    let count = 2000;
    for n in 0..count {
        client.ok(command(n)).await;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

/// Durable single inserts by 64 clients beside those by one, over TCP and over a Unix domain socket.
async fn inserts(server: &Server, socket: &Path, time: Duration) {
    let (mut one, mut many) = (Vec::new(), Vec::new());
    let (mut one_near, mut many_near) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        one.push(insert_rate(over_tcp(server, 1).await, time).await);
        many.push(insert_rate(over_tcp(server, CLIENTS).await, time).await);
        one_near.push(insert_rate(over_socket(socket, 1).await, time).await);
        many_near.push(insert_rate(over_socket(socket, CLIENTS).await, time).await);
    }
    let (one, many) = (median(&mut one), median(&mut many));
    report("durable inserts, 64 clients / 1 client", many, one, "at least 20");
    let (one, many) = (median(&mut one_near), median(&mut many_near));
    report("the same over a Unix domain socket", many, one, "");
}

async fn over_tcp(server: &Server, clients: usize) -> Vec<Inserter<TcpStream>> {
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Inserter::connect(server, "durable").await);
    }
    connected
}

async fn over_socket(socket: &Path, clients: usize) -> Vec<Inserter<UnixStream>> {
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Inserter::new(UnixStream::connect(socket).await.unwrap(), "durable"));
    }
    connected
}

async fn insert_rate<S>(clients: Vec<Inserter<S>>, time: Duration) -> f64
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut count = 0u32;
                while begun.elapsed() < time {
                    client.insert().await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    f64::from(total) / begun.elapsed().as_secs_f64()
}

/// All of 100 000 small documents over the wire, beside the same bytes from a table of redb's.
async fn whole_find(server: &Server, client: &mut Client, store: &Store) {
    // The main thread may wait: the server has threads of its own.
    let mut reader = RawClient::connect(server);
    for first in (0..SMALL).step_by(10_000) {
        client.insert("small", (first..first + 10_000).map(small).collect()).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let raw = Database::create(directory.path().join("raw")).unwrap();
    let writing = raw.begin_write().unwrap();
    {
        let mut table = writing.open_table(RAW).unwrap();
        for n in 0..SMALL {
            table.insert(u64::try_from(n).unwrap(), small(n).as_bytes()).unwrap();
        }
    }
    writing.commit().unwrap();
    let namespace = Namespace::new("bench", "small").unwrap();
    let (mut wire, mut stored, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        wire.push(per_second(read_over_wire(&mut reader)));
        let begun = Instant::now();
        let found = store.find(&namespace, FindOptions::default()).unwrap();
        let count = found.map(|it| it.unwrap().as_bytes().len()).filter(|&len| len > 0).count();
        assert_eq!(count, usize::try_from(SMALL).unwrap());
        stored.push(per_second(begun.elapsed()));
        bare.push(per_second(read_table(&raw)));
    }
    let (wire, stored, bare) = (median(&mut wire), median(&mut stored), median(&mut bare));
    report("find of 100 000 documents / redb in process", wire, bare, "at least 0.5");
    report("find of 100 000 documents / the store in process", wire, stored, "");
}

fn read_over_wire(client: &mut RawClient) -> Duration {
    let begun = Instant::now();
    let mut reply = client.ok(rawdoc! { "find": "small", "$db": "bench" });
    let mut count = 0;
    loop {
        let (documents, id) = batch(reply);
        count += walk(documents);
        if id == 0 {
            break;
        }
        let more = rawdoc! { "getMore": id, "collection": "small", "$db": "bench" };
        reply = client.ok(more);
    }
    assert_eq!(count, usize::try_from(SMALL).unwrap());
    begun.elapsed()
}

fn read_table(raw: &Database) -> Duration {
    let begun = Instant::now();
    let reading = raw.begin_read().unwrap();
    let table = reading.open_table(RAW).unwrap();
    let mut count = 0;
    for row in table.range::<u64>(..).unwrap() {
        let (_, document) = row.unwrap();
        let document = RawDocumentBuf::from_bytes(document.value().to_vec()).unwrap();
        count += i32::from(!document.is_empty());
    }
    assert_eq!(count, SMALL);
    begun.elapsed()
}

/// One document by an index, in a large collection and in one of a thousand.
async fn indexed(client: &mut Client, documents: u32) {
    let large = i32::try_from(documents).unwrap();
    let collections = [("thousand", 1000), ("large", large)];
    for (name, count) in collections {
        for first in (0..count).step_by(20_000) {
            client.insert(name, (first..count.min(first + 20_000)).map(small).collect()).await;
        }
        let indexes = bson::rawbson!([{ "key": { "n": 1 }, "name": "n_1" }]);
        client.ok(rawdoc! { "createIndexes": name, "indexes": indexes, "$db": "bench" }).await;
    }
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for ((name, count), rates) in collections.into_iter().zip([&mut few, &mut many]) {
            // Values that are spread over the whole index.
            let query = |n: i32| {
                let value = i64::from(n) * 7919 % i64::from(count);
                let filter = rawdoc! { "n": i32::try_from(value).unwrap() };
                rawdoc! { "find": name, "filter": filter, "$db": "bench" }
            };
            rates.push(rate(client, query).await);
        }
    }
    let (few, many) = (1e6 / median(&mut few), 1e6 / median(&mut many));
    let title = format!("indexed query, us, {documents} documents / 1000");
    report(&title, many, few, "below 3");
}

fn small(n: i32) -> RawDocumentBuf {
    rawdoc! { "_id": n, "n": n, "name": "Sophia Duleep Singh", "tags": ["a", "b"], "on": true }
}

fn per_second(time: Duration) -> f64 {
    f64::from(SMALL) / time.as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(title: &str, value: f64, compared: f64, wanted: &str) {
    println!("{title:<52}{value:>12.0} /{compared:>12.0} ={:>8.2}  {wanted}", value / compared);
}
