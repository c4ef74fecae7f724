//! Explaining other commands.

use bson::rawdoc;

use crate::client::start;

#[tokio::test]
async fn every_command_that_can_be_explained_is() {
    let (_server, mut client) = start().await;
    client.ok(rawdoc! { "insert": "c", "documents": [{ "_id": 1, "a": 2 }], "$db": "d" }).await;
    let commands = [
        rawdoc! { "find": "c", "filter": { "a": 2 } },
        rawdoc! { "count": "c", "query": { "a": 2 } },
        rawdoc! { "distinct": "c", "key": "a" },
        rawdoc! { "aggregate": "c", "pipeline": [{ "$match": { "a": 2 } }], "cursor": {} },
        rawdoc! { "findAndModify": "c", "query": { "a": 2 }, "remove": true },
        rawdoc! { "update": "c", "updates": [{ "q": { "a": 2 }, "u": { "$set": { "a": 3 } } }] },
        rawdoc! { "delete": "c", "deletes": [{ "q": { "a": 2 }, "limit": 1 }] },
    ];
    for command in commands {
        let reply = client.ok(rawdoc! { "explain": command.clone(), "$db": "d" }).await;
        assert!(reply.get_document("queryPlanner").is_ok(), "{command:?}");
    }
    let reply = client.ok(rawdoc! { "count": "c", "query": { "a": 2 }, "$db": "d" }).await;
    assert_eq!(reply.get_i32("n").unwrap(), 1);
}

#[tokio::test]
async fn what_is_explained_is_read_as_strictly_as_when_it_runs() {
    let (_server, mut client) = start().await;
    let unknown = rawdoc! { "explain": { "count": "c", "colour": 1 }, "$db": "d" };
    assert_eq!(client.code(unknown).await, 40415);
    let other = rawdoc! { "explain": { "ping": 1 }, "$db": "d" };
    assert_ne!(client.code(other).await, 0);
}

#[tokio::test]
async fn a_pipeline_is_not_explained_with_a_write_concern() {
    let (_server, mut client) = start().await;
    let pipeline = bson::rawbson!([{ "$out": "other" }]);
    let aggregate = rawdoc! {
        "aggregate": "c", "pipeline": pipeline, "cursor": {}, "writeConcern": { "w": 1 },
    };
    let nested = rawdoc! { "explain": aggregate.clone(), "$db": "d" };
    assert_eq!(client.code(nested).await, 9);
    let mut flagged = aggregate;
    flagged.append(bson::raw::cstr!("explain"), true);
    flagged.append(bson::raw::cstr!("$db"), "d");
    assert_eq!(client.code(flagged).await, 9);
}
