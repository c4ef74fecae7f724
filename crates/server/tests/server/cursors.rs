//! Cursors over the wire.

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use fieldveil_wire::OpMsg;

use crate::client::{Client, batch, cursor_id, start};

async fn fill(client: &mut Client, count: i32) {
    let documents: RawArrayBuf = (0..count).map(|id| rawdoc! { "_id": id }).collect();
    client.ok(rawdoc! { "insert": "c", "documents": documents, "$db": "d" }).await;
}

fn get_more(id: i64) -> RawDocumentBuf {
    rawdoc! { "getMore": id, "collection": "c", "batchSize": 2, "$db": "d" }
}

#[tokio::test]
async fn a_cursor_gives_every_document_once() {
    let (_server, mut client) = start().await;
    fill(&mut client, 5).await;
    let reply = client.ok(rawdoc! { "find": "c", "batchSize": 2, "$db": "d" }).await;
    let mut found = batch(&reply);
    let mut id = cursor_id(&reply);
    while id != 0 {
        let reply = client.ok(get_more(id)).await;
        found.extend(batch(&reply));
        id = cursor_id(&reply);
    }
    let ids: Vec<i32> = found.iter().map(|it| it.get_i32("_id").unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn the_first_batch_has_101_documents() {
    let (_server, mut client) = start().await;
    fill(&mut client, 150).await;
    let reply = client.ok(rawdoc! { "find": "c", "$db": "d" }).await;
    assert_eq!(batch(&reply).len(), 101);
    let id = cursor_id(&reply);
    let more = rawdoc! { "getMore": id, "collection": "c", "$db": "d" };
    assert_eq!(batch(&client.ok(more).await).len(), 49);
}

#[tokio::test]
async fn a_killed_cursor_is_not_found() {
    let (_server, mut client) = start().await;
    fill(&mut client, 5).await;
    let reply = client.ok(rawdoc! { "find": "c", "batchSize": 1, "$db": "d" }).await;
    let id = cursor_id(&reply);
    let kill = rawdoc! { "killCursors": "c", "cursors": [id, 42i64], "$db": "d" };
    let reply = client.ok(kill).await;
    assert_eq!(reply.get_array("cursorsKilled").unwrap().into_iter().count(), 1);
    assert_eq!(reply.get_array("cursorsNotFound").unwrap().into_iter().count(), 1);
    assert_eq!(client.code(get_more(id)).await, 43);
}

#[tokio::test]
async fn a_limit_and_a_single_batch_leave_no_cursor() {
    let (_server, mut client) = start().await;
    fill(&mut client, 5).await;
    for find in [
        rawdoc! { "find": "c", "limit": 2, "$db": "d" },
        rawdoc! { "find": "c", "limit": -2, "$db": "d" },
        rawdoc! { "find": "c", "batchSize": 2, "singleBatch": true, "$db": "d" },
    ] {
        let reply = client.ok(find).await;
        assert_eq!((batch(&reply).len(), cursor_id(&reply)), (2, 0));
    }
}

#[tokio::test]
async fn a_cursor_ends_with_its_session_and_its_collection() {
    let (_server, mut client) = start().await;
    fill(&mut client, 5).await;
    let lsid = rawdoc! { "id": bson::Binary::from(bson::Uuid::new()) };
    let find = rawdoc! { "find": "c", "batchSize": 1, "lsid": lsid.clone(), "$db": "d" };
    let id = cursor_id(&client.ok(find).await);
    assert_eq!(client.code(get_more(id)).await, 50736);
    client.ok(rawdoc! { "endSessions": [lsid], "$db": "admin" }).await;
    assert_eq!(client.code(get_more(id)).await, 43);

    let reply = client.ok(rawdoc! { "find": "c", "batchSize": 1, "$db": "d" }).await;
    client.ok(rawdoc! { "drop": "c", "$db": "d" }).await;
    assert_eq!(client.code(get_more(cursor_id(&reply))).await, 43);
}

#[tokio::test]
async fn lists_are_cursors_too() {
    let (_server, mut client) = start().await;
    for name in ["a", "b", "c"] {
        client.ok(rawdoc! { "create": name, "$db": "d" }).await;
    }
    let list = rawdoc! {
        "listCollections": 1, "filter": { "name": { "$ne": "b" } }, "nameOnly": true,
        "cursor": { "batchSize": 1 }, "$db": "d",
    };
    let reply = client.ok(list).await;
    assert_eq!(batch(&reply), [rawdoc! { "name": "a", "type": "collection" }]);
    let more = rawdoc! {
        "getMore": cursor_id(&reply), "collection": "$cmd.listCollections", "$db": "d",
    };
    assert_eq!(batch(&client.ok(more).await).len(), 1);
}

#[tokio::test]
async fn a_tailing_client_is_told_of_a_write() {
    let (server, mut client) = start().await;
    client.ok(rawdoc! { "create": "c", "capped": true, "size": 4096, "$db": "d" }).await;
    fill(&mut client, 1).await;
    let find = rawdoc! { "find": "c", "tailable": true, "awaitData": true, "$db": "d" };
    let reply = client.ok(find).await;
    assert_eq!(batch(&reply).len(), 1);
    let id = cursor_id(&reply);
    // Far longer than the test may take: the reply comes because of the write.
    let more = rawdoc! { "getMore": id, "collection": "c", "maxTimeMS": 600_000, "$db": "d" };
    client.send(OpMsg::new(more)).await;
    let mut writer = Client::connect(&server).await;
    writer.ok(rawdoc! { "insert": "c", "documents": [{ "_id": 7 }], "$db": "d" }).await;
    let (_, reply, _) = client.receive().await;
    assert_eq!(batch(&reply), [rawdoc! { "_id": 7 }]);
    assert_eq!(cursor_id(&reply), id);
}

#[tokio::test]
async fn a_tailing_client_that_does_not_wait_gets_what_there_is() {
    let (_server, mut client) = start().await;
    client.ok(rawdoc! { "create": "c", "capped": true, "size": 4096, "max": 2, "$db": "d" }).await;
    fill(&mut client, 2).await;
    let reply = client.ok(rawdoc! { "find": "c", "tailable": true, "$db": "d" }).await;
    let more = rawdoc! { "getMore": cursor_id(&reply), "collection": "c", "$db": "d" };
    let reply = client.ok(more.clone()).await;
    assert!(batch(&reply).is_empty() && cursor_id(&reply) != 0);
    for id in 7..9 {
        client.ok(rawdoc! { "insert": "c", "documents": [{ "_id": id }], "$db": "d" }).await;
    }
    assert_eq!(client.code(more).await, 136);
}

#[tokio::test]
async fn tailing_has_its_conditions() {
    let (_server, mut client) = start().await;
    fill(&mut client, 5).await;
    let code = client.code(rawdoc! { "find": "c", "tailable": true, "$db": "d" }).await;
    assert_eq!(code, 2, "not capped");
    let code = client.code(rawdoc! { "find": "c", "awaitData": true, "$db": "d" }).await;
    assert_eq!(code, 9, "awaitData alone");
    let reply = client.ok(rawdoc! { "find": "c", "batchSize": 1, "$db": "d" }).await;
    for millis in [5, 0] {
        let mut more = get_more(cursor_id(&reply));
        more.append(bson::raw::cstr!("maxTimeMS"), millis);
        assert_eq!(client.code(more).await, 2, "a time limit of {millis} without awaitData");
    }
}

#[tokio::test]
async fn sessions_can_be_listed_in_a_pipeline() {
    let (_server, mut client) = start().await;
    let id = bson::Uuid::new();
    let lsid = rawdoc! { "id": bson::Binary::from(id) };
    client.ok(rawdoc! { "count": "c", "lsid": lsid, "$db": "d" }).await;
    let pipeline = bson::rawbson!([{ "$listLocalSessions": {} }, { "$project": { "_id": 1 } }]);
    let list = rawdoc! {
        "aggregate": 1, "pipeline": pipeline.clone(), "cursor": {}, "$db": "admin",
    };
    let reply = client.ok(list).await;
    assert_eq!(batch(&reply), [rawdoc! { "_id": { "id": bson::Binary::from(id) } }]);
    let on_collection =
        rawdoc! { "aggregate": "c", "pipeline": pipeline, "cursor": {}, "$db": "admin" };
    assert_eq!(client.code(on_collection).await, 73);
}

#[tokio::test]
async fn the_database_admin_is_always_listed() {
    let (_server, mut client) = start().await;
    let list = rawdoc! { "listDatabases": 1, "nameOnly": true, "$db": "admin" };
    let reply = client.ok(list).await;
    let names: Vec<_> = reply.get_array("databases").unwrap().into_iter().flatten().collect();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].as_document().unwrap().get_str("name").unwrap(), "admin");
}

#[tokio::test]
async fn a_read_that_turns_out_long_is_done_once() {
    let (_server, mut client) = start().await;
    fill(&mut client, 1000).await;
    let queries = async |client: &mut Client| {
        let status = client.ok(rawdoc! { "serverStatus": 1, "$db": "admin" }).await;
        status.get_document("opcounters").unwrap().get_i64("query").unwrap()
    };
    let before = queries(&mut client).await;
    let filter = rawdoc! { "_id": { "$mod": [500, 499] } };
    let find = rawdoc! { "find": "c", "filter": filter.clone(), "$db": "d" };
    assert_eq!(batch(&client.ok(find).await).len(), 2);
    assert_eq!(queries(&mut client).await, before + 1);
    let reply = client.ok(rawdoc! { "count": "c", "query": filter, "$db": "d" }).await;
    assert_eq!(reply.get_i32("n").unwrap(), 2);
}
