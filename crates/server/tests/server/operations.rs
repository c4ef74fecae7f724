//! What runs, and how it is ended.

use std::time::Duration;

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use fieldveil_server::Server;
use fieldveil_wire::OpMsg;
use tokio::time::{sleep, timeout};

use crate::client::{Client, batch, cursor_id, start};

/// After this it is certain that what a test waits for never comes, on a machine that stands still
/// for a while too.
const LONG: Duration = Duration::from_secs(600);

/// A pipeline that makes 25 600 000 000 documents.
fn endless() -> RawDocumentBuf {
    let lookup = |name| rawdoc! { "$lookup": { "from": "c", "pipeline": [], "as": name } };
    rawdoc! {
        "aggregate": "c",
        "pipeline": [
            lookup("x"), { "$unwind": "$x" }, lookup("y"), { "$unwind": "$y" },
            lookup("z"), { "$unwind": "$z" }, { "$count": "n" },
        ],
        "cursor": {},
        "comment": "endless",
        "$db": "d",
    }
}

async fn fill(client: &mut Client) {
    let documents: RawArrayBuf = (0..400).map(|id| rawdoc! { "_id": id }).collect();
    client.ok(rawdoc! { "insert": "c", "documents": documents, "$db": "d" }).await;
}

/// Starts the endless command and gives its id, once it runs.
async fn begin(server: &Server, client: &mut Client) -> i32 {
    fill(client).await;
    client.send(OpMsg::new(endless())).await;
    until_endless(&mut Client::connect(server).await).await
}

/// The id of the endless command, once it runs.
async fn until_endless(client: &mut Client) -> i32 {
    let operation = until_shown(client, rawdoc! { "command.comment": "endless" }).await;
    assert_eq!(operation.get_str("ns").unwrap(), "d.c");
    assert_eq!(operation.get_str("op").unwrap(), "command");
    assert!(operation.get_bool("active").unwrap());
    operation.get_i32("opid").unwrap()
}

/// The id of the operation of this kind, once there is one.
async fn until_runs(client: &mut Client, op: &str) -> i32 {
    until_shown(client, rawdoc! { "op": op }).await.get_i32("opid").unwrap()
}

/// The first operation that `currentOp` shows for a filter.
async fn until_shown(client: &mut Client, filter: RawDocumentBuf) -> RawDocumentBuf {
    until_so_many_are_shown(client, filter, 1).await.remove(0)
}

async fn until_so_many_are_shown(
    client: &mut Client,
    filter: RawDocumentBuf,
    count: usize,
) -> Vec<RawDocumentBuf> {
    let mut question = rawdoc! { "currentOp": 1, "$db": "admin" };
    for element in filter.iter() {
        let (name, value) = element.unwrap();
        question.append(name, value);
    }
    let shown = async {
        loop {
            let reply = client.ok(question.clone()).await;
            let running = reply.get_array("inprog").unwrap().into_iter();
            let running: Vec<_> =
                running.map(|it| it.unwrap().as_document().unwrap().to_owned()).collect();
            if running.len() >= count {
                return running;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, shown).await.unwrap()
}

#[tokio::test]
async fn a_running_command_is_shown_and_killed() {
    let (server, mut client) = start().await;
    let id = begin(&server, &mut client).await;
    let mut other = Client::connect(&server).await;
    other.ok(rawdoc! { "killOp": 1, "op": id, "$db": "admin" }).await;
    let reply = timeout(LONG, client.receive()).await.expect("the command ends").1;
    assert_eq!(reply.get_i32("code").unwrap(), 11601);
    // The next command of the connection is none the worse for it.
    client.ok(rawdoc! { "find": "c", "$db": "d" }).await;
}

#[tokio::test]
async fn the_stage_shows_itself_and_idle_connections() {
    let (server, mut client) = start().await;
    let mut idle = Client::connect(&server).await;
    idle.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
    let stage = rawdoc! {
        "aggregate": 1,
        "pipeline": [{ "$currentOp": { "idleConnections": true } }, { "$sort": { "active": 1 } }],
        "cursor": {},
        "$db": "admin",
    };
    let shown = batch(&client.ok(stage).await);
    let active: Vec<bool> = shown.iter().map(|it| it.get_bool("active").unwrap()).collect();
    assert_eq!(active, [false, true]);
    assert_eq!(shown[1].get_document("command").unwrap().get_i32("aggregate").unwrap(), 1);

    let elsewhere = rawdoc! {
        "aggregate": "c", "pipeline": [{ "$currentOp": {} }], "cursor": {}, "$db": "admin",
    };
    assert_eq!(client.code(elsewhere).await, 73);
}

#[tokio::test]
async fn killing_a_session_ends_what_runs_in_it() {
    let (server, mut client) = start().await;
    fill(&mut client).await;
    let reply = client.ok(rawdoc! { "startSession": 1, "$db": "admin" }).await;
    let session = reply.get_document("id").unwrap().to_owned();
    let mut command = endless();
    command.append(bson::raw::cstr!("lsid"), session.clone());
    client.send(OpMsg::new(command)).await;
    let mut other = Client::connect(&server).await;
    until_endless(&mut other).await;
    other.ok(rawdoc! { "killSessions": [session], "$db": "admin" }).await;
    let reply = timeout(LONG, client.receive()).await.expect("the command ends").1;
    assert_eq!(reply.get_i32("code").unwrap(), 11601);
}

#[tokio::test]
async fn a_time_limit_holds_where_little_is_read_and_much_made() {
    let (_server, mut client) = start().await;
    fill(&mut client).await;
    let mut command = endless();
    command.append(bson::raw::cstr!("maxTimeMS"), 50);
    assert_eq!(timeout(LONG, client.code(command)).await.expect("it ends"), 50);
}

/// An expression that goes through 64 000 000 000 steps on one document.
fn endless_expression() -> RawDocumentBuf {
    let range = rawdoc! { "$range": [0, 4000] };
    let nest = |inner: RawDocumentBuf| {
        rawdoc! { "$size": [{ "$map": { "input": range.clone(), "in": inner } }] }
    };
    let innermost = rawdoc! { "$reduce": {
        "input": range.clone(), "initialValue": 0, "in": { "$add": ["$$value", "$$this"] },
    } };
    nest(nest(innermost))
}

#[tokio::test]
async fn a_time_limit_holds_within_one_document() {
    let (_server, mut client) = start().await;
    client.ok(rawdoc! { "insert": "c", "documents": [{ "_id": 1 }], "$db": "d" }).await;
    let slow = endless_expression();
    let in_filter = rawdoc! { "$expr": { "$eq": [slow.clone(), 1] } };
    let update = rawdoc! { "q": {}, "u": [{ "$set": { "a": slow.clone() } }] };
    for mut command in [
        rawdoc! { "find": "c", "filter": in_filter.clone(), "$db": "d" },
        rawdoc! { "find": "c", "projection": { "a": slow.clone() }, "$db": "d" },
        rawdoc! { "count": "c", "query": in_filter.clone(), "$db": "d" },
        rawdoc! { "delete": "c", "deletes": [{ "q": in_filter, "limit": 1 }], "$db": "d" },
        rawdoc! { "update": "c", "updates": [update], "$db": "d" },
        rawdoc! {
            "aggregate": "c", "cursor": {}, "$db": "d",
            "pipeline": [{ "$group": { "_id": slow.clone(), "n": { "$sum": 1 } } }],
        },
        rawdoc! { "find": "c", "let": { "a": slow }, "$db": "d" },
    ] {
        command.append(bson::raw::cstr!("maxTimeMS"), 50);
        let reply = timeout(LONG, client.run(command.clone())).await;
        let reply = reply.unwrap_or_else(|_| panic!("it goes on: {command:?}"));
        assert_eq!(reply.get_i32("code").unwrap(), 50, "{command:?} {reply:?}");
    }
}

#[tokio::test]
async fn a_long_command_does_not_hold_up_the_end_of_the_server() {
    let (server, mut client) = start().await;
    begin(&server, &mut client).await;
    timeout(LONG, server.shutdown()).await.expect("the command is interrupted");
    let reply = timeout(LONG, client.receive()).await.expect("the client is told").1;
    assert_eq!(reply.get_i32("code").unwrap(), 11600);
    assert_eq!(reply.get_str("codeName").unwrap(), "InterruptedAtShutdown");
}

/// As after a test that has failed: the runtime waits for what its threads do.
#[test]
fn a_long_command_ends_when_its_server_is_dropped() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, _client) = runtime.block_on(async {
        let (server, mut client) = start().await;
        begin(&server, &mut client).await;
        (server, client)
    });
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(server);
        drop(runtime);
        done.send(())
    });
    ended.recv_timeout(LONG).expect("the command is interrupted");
}

/// Waits until nothing runs but the question itself.
async fn until_idle(client: &mut Client) {
    let question = rawdoc! {
        "currentOp": 1, "command.currentOp": { "$exists": false }, "$db": "admin",
    };
    let ended = async {
        while !client.ok(question.clone()).await.get_array("inprog").unwrap().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(LONG, ended).await.is_ok(), "something still runs");
}

#[tokio::test]
async fn a_read_ends_with_its_client() {
    let (server, mut client) = start().await;
    begin(&server, &mut client).await;
    drop(client);
    until_idle(&mut Client::connect(&server).await).await;
}

#[tokio::test]
async fn a_write_goes_on_without_its_client() {
    let (server, mut client) = start().await;
    let mut other = Client::connect(&server).await;
    fill(&mut client).await;
    let slow = rawdoc! { "$reduce": {
        "input": { "$range": [0, 2000] }, "initialValue": 0,
        "in": { "$add": ["$$value", "$$this"] },
    } };
    let all = rawdoc! { "q": {}, "u": [{ "$set": { "sum": slow } }], "multi": true };
    client.send(OpMsg::new(rawdoc! { "update": "c", "updates": [all], "$db": "d" })).await;
    // It may have ended already where this is slow to look.
    let begun = rawdoc! { "count": "c", "query": { "sum": 1_999_000 }, "$db": "d" };
    let running = rawdoc! { "currentOp": 1, "op": "update", "$db": "admin" };
    while other.ok(running.clone()).await.get_array("inprog").unwrap().is_empty()
        && other.ok(begun.clone()).await.get_i32("n").unwrap() == 0
    {}
    drop(client);
    until_idle(&mut other).await;
    let count = rawdoc! { "count": "c", "query": { "sum": 1_999_000 }, "$db": "d" };
    assert_eq!(other.ok(count).await.get_i32("n").unwrap(), 400);
}

#[tokio::test]
async fn a_write_in_the_queue_is_shown_and_killed_and_goes_on_without_its_client() {
    let (server, mut client) = start().await;
    let mut other = Client::connect(&server).await;
    // An update that lasts until it is killed.
    fill(&mut client).await;
    let endless = rawdoc! { "q": {}, "u": [{ "$set": { "a": endless_expression() } }] };
    client.send(OpMsg::new(rawdoc! { "update": "c", "updates": [endless], "$db": "d" })).await;
    let update = until_runs(&mut other, "update").await;
    let insert = |id| rawdoc! { "insert": "q", "documents": [{ "_id": id }], "$db": "d" };
    let (mut killed, mut late, mut gone) = (
        Client::connect(&server).await,
        Client::connect(&server).await,
        Client::connect(&server).await,
    );
    killed.send(OpMsg::new(insert("killed"))).await;
    let id = until_runs(&mut other, "insert").await;
    other.ok(rawdoc! { "killOp": 1, "op": id, "$db": "admin" }).await;
    let mut in_time = insert("late");
    in_time.append(bson::raw::cstr!("maxTimeMS"), 1);
    late.send(OpMsg::new(in_time)).await;
    gone.send(OpMsg::new(insert("gone"))).await;
    until_so_many_are_shown(&mut other, rawdoc! { "op": "insert" }, 3).await;
    drop(gone);
    // More than the time limit of one of them.
    sleep(Duration::from_millis(10)).await;
    other.ok(rawdoc! { "killOp": 1, "op": update, "$db": "admin" }).await;

    let code = |reply: RawDocumentBuf| reply.get_i32("code").unwrap();
    assert_eq!(code(timeout(LONG, killed.receive()).await.expect("it ends").1), 11601);
    assert_eq!(code(timeout(LONG, late.receive()).await.expect("it ends").1), 50);
    assert_eq!(code(timeout(LONG, client.receive()).await.expect("it ends").1), 11601);
    until_idle(&mut other).await;
    let found = batch(&other.ok(rawdoc! { "find": "q", "$db": "d" }).await);
    assert_eq!(found, [rawdoc! { "_id": "gone" }]);
    // The next command of a connection whose write was killed is none the worse for it.
    killed.ok(insert("more")).await;
}

/// A capped collection, and a `getMore` that waits for more in it.
async fn wait_for_more(client: &mut Client) -> i64 {
    client.ok(rawdoc! { "create": "log", "capped": true, "size": 4096, "$db": "d" }).await;
    client.ok(rawdoc! { "insert": "log", "documents": [{ "_id": 1 }], "$db": "d" }).await;
    let find = rawdoc! { "find": "log", "tailable": true, "awaitData": true, "$db": "d" };
    let id = cursor_id(&client.ok(find).await);
    let more = rawdoc! { "getMore": id, "collection": "log", "maxTimeMS": 600_000, "$db": "d" };
    client.send(OpMsg::new(more)).await;
    id
}

#[tokio::test]
async fn a_command_that_waits_for_documents_is_killed() {
    let (server, mut client) = start().await;
    let cursor = wait_for_more(&mut client).await;
    let mut other = Client::connect(&server).await;
    let id = until_runs(&mut other, "getmore").await;
    // Long enough for it to have looked once, and to wait.
    sleep(Duration::from_millis(50)).await;
    other.ok(rawdoc! { "killOp": 1, "op": id, "$db": "admin" }).await;
    let reply = timeout(LONG, client.receive()).await.expect("the command ends").1;
    assert_eq!(reply.get_i32("code").unwrap(), 11601);
    let more = rawdoc! { "getMore": cursor, "collection": "log", "$db": "d" };
    assert_eq!(client.code(more).await, 43);
}

#[tokio::test]
async fn a_command_that_waits_for_documents_ends_with_its_client() {
    let (server, mut client) = start().await;
    wait_for_more(&mut client).await;
    sleep(Duration::from_millis(50)).await;
    drop(client);
    until_idle(&mut Client::connect(&server).await).await;
}
