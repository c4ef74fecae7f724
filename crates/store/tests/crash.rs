//! A process that writes is killed at random moments; what it acknowledged is there afterwards.
//!
//! `FIELDVEIL_CRASH_ROUNDS` sets the number of rounds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use bson::rawdoc;
use fieldveil_store::{
    BulkOutcome, DeleteStatement, FindOptions, Interrupt, Namespace, RetryKey, StatementIds,
    StatementOutcome, Store, StoreOptions, UpdateStatement, WriteOptions, WriteStatement,
};

const DIRECTORY: &str = "FIELDVEIL_CRASH_DIRECTORY";
const ROUND: &str = "FIELDVEIL_CRASH_ROUND";
const CLIENTS: i32 = 4;

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn open(directory: &Path) -> Store {
    Store::open(directory, StoreOptions::default()).unwrap()
}

/// Not a test of its own: the process that is killed. Each client counts its document up, and
/// from time to time removes it. Before a write it says what it is about to do, afterwards that it
/// is acknowledged. Half of the clients wait for their writes, the others have themselves called.
#[test]
fn writing_process() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let round: i32 = std::env::var(ROUND).unwrap().parse().unwrap();
    let store = open(Path::new(&directory));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let store = store.clone();
            scope.spawn(move || client_loop(&store, round * CLIENTS + client));
        }
    });
}

fn client_loop(store: &Store, id: i32) {
    for value in 1.. {
        say("count", id, value);
        count_up(store, id, value);
        if value % 7 == 0 {
            say("begin", id, 0);
            let filter = rawdoc! {"_id": id};
            let delete = DeleteStatement { filter, only_one: true, hint: None, collation: None };
            let outcome = write(store, id, WriteStatement::Delete(Box::new(delete)));
            assert!(matches!(&outcome.results[..], [Ok(StatementOutcome::Deleted(1))]));
            say("end", id, 0);
        } else {
            say("begin", id, value);
            let set =
                rawdoc! {"$set": {"value": value, "list": [value, value + 1, "x".repeat(300)]}};
            let mut update = UpdateStatement::one(rawdoc! {"_id": id}, set);
            update.upsert = true;
            let outcome = write(store, id, WriteStatement::Update(Box::new(update)));
            assert!(outcome.results.iter().all(Result::is_ok), "{outcome:?}");
            say("end", id, value);
        }
    }
}

/// Writes to `things` in the way of that client.
fn write(store: &Store, client: i32, statement: WriteStatement) -> BulkOutcome {
    let (statements, options) = (vec![(things(), statement)], WriteOptions::default());
    if client % 2 == 0 {
        return store.bulk(statements, &options).unwrap();
    }
    let (sender, receiver) = mpsc::channel();
    let done = move |outcome| sender.send(outcome).unwrap();
    let appoint = |lead| drop(std::thread::spawn(|| drop(lead)));
    store.bulk_later(statements, options, done, appoint);
    receiver.recv().unwrap().unwrap()
}

fn counters() -> Namespace {
    Namespace::new("app", "counters").unwrap()
}

/// A client's retryable write with this number.
fn count_up(store: &Store, id: i32, number: i32) {
    let mut session = [0; 32];
    session[..4].copy_from_slice(&id.to_be_bytes());
    let statements = StatementIds::From(0);
    let retry = Some(RetryKey { session, number: i64::from(number), statements });
    let options = WriteOptions { retry, ..WriteOptions::default() };
    let mut update = UpdateStatement::one(rawdoc! {"_id": id}, rawdoc! {"$inc": {"n": 1}});
    update.upsert = true;
    assert!(store.update(&counters(), vec![update], &options).unwrap().errors.is_empty());
}

fn say(what: &str, id: i32, value: i32) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{what} {id} {value}").unwrap();
    out.flush().unwrap();
}

fn spawn(directory: &Path, round: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writing_process", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What each document may hold: the acknowledged value and, if a write had begun, its value.
/// Zero stands for no document.
type Known = BTreeMap<i32, (i32, Option<i32>)>;

/// The retryable write that each client began last.
type Counted = BTreeMap<i32, i32>;

fn note(known: &mut Known, counted: &mut Counted, line: &str) -> bool {
    let mut words = line.split_whitespace();
    let what = words.next();
    let (Some(id), Some(value)) = (words.next(), words.next()) else { return false };
    let (Ok(id), Ok(value)) = (id.parse(), value.parse()) else { return false };
    let entry = known.entry(id).or_insert((0, None));
    match what {
        Some("@count") => drop(counted.insert(id, value)),
        Some("@begin") => entry.1 = Some(value),
        Some("@end") => *entry = (value, None),
        _ => return false,
    }
    true
}

#[test]
fn acknowledged_writes_survive_kill() {
    let rounds = std::env::var("FIELDVEIL_CRASH_ROUNDS");
    let rounds: u32 = rounds.map_or(5, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let indexes = [
        rawdoc! {"key": {"value": 1}, "name": "value"},
        rawdoc! {"key": {"list": 1}, "name": "list"},
    ];
    store.create_indexes(&things(), &indexes, &Interrupt::never()).unwrap();
    drop(store);

    let mut known = Known::new();
    for round in 0..rounds {
        let mut child = spawn(directory.path(), round);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut counted = Counted::new();
        // A different moment each round.
        let mut wanted = 20 + round.wrapping_mul(2_654_435_761) % 150;
        while wanted > 0 {
            let line = lines.next().unwrap().unwrap();
            wanted -= u32::from(note(&mut known, &mut counted, &line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            note(&mut known, &mut counted, &line);
        }
        let store = open(directory.path());
        repeat(&store, &counted, round);
        assert_eq!(store.check(&Interrupt::never()).unwrap(), [], "round {round}");
        verify(&store, &mut known, round);
    }
}

/// Each client sends its last retryable write again, as if it had not heard the answer.
fn repeat(store: &Store, counted: &Counted, round: u32) {
    for (id, number) in counted {
        count_up(store, *id, *number);
        let filter = Some(rawdoc! {"_id": *id});
        let options = FindOptions { filter, ..FindOptions::default() };
        let document = store.find(&counters(), options).unwrap().next().unwrap().unwrap();
        assert_eq!(document.get_i32("n").unwrap(), *number, "round {round}: client {id}");
    }
}

fn verify(store: &Store, known: &mut Known, round: u32) {
    let mut found = BTreeMap::new();
    for document in store.find(&things(), FindOptions::default()).unwrap() {
        let document = document.unwrap();
        found.insert(document.get_i32("_id").unwrap(), document.get_i32("value").unwrap());
    }
    for (id, (acknowledged, begun)) in known {
        let value = found.remove(id).unwrap_or(0);
        assert!(
            value == *acknowledged || Some(value) == *begun,
            "round {round}: document {id} holds {value}, acknowledged {acknowledged}, begun {begun:?}"
        );
        (*acknowledged, *begun) = (value, None);
    }
    assert!(found.is_empty(), "round {round}: documents nobody wrote: {found:?}");
}
