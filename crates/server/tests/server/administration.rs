//! What administrators and their tools ask: sizes, capped copies, the profiler, the replica set.

use bson::{RawArrayBuf, RawBson, RawDocumentBuf, rawdoc};

use crate::client::{Client, batch, builder, start};

async fn fill(client: &mut Client, count: i32) {
    let documents: RawArrayBuf = (0..count).map(|id| rawdoc! { "_id": id, "a": id % 10 }).collect();
    client.ok(rawdoc! { "insert": "c", "documents": documents, "$db": "d" }).await;
}

async fn found(client: &mut Client, command: RawDocumentBuf) -> Vec<RawDocumentBuf> {
    batch(&client.ok(command).await)
}

#[tokio::test]
async fn time_is_counted_for_each_collection() {
    let (_server, mut client) = start().await;
    fill(&mut client, 3).await;
    client.ok(rawdoc! { "find": "c", "$db": "d" }).await;
    let reply = client.ok(rawdoc! { "top": 1, "$db": "admin" }).await;
    let totals = reply.get_document("totals").unwrap();
    let taken = totals.get_document("d.c").unwrap();
    for (kind, count) in [("total", 2), ("queries", 1), ("insert", 1), ("remove", 0)] {
        assert_eq!(taken.get_document(kind).unwrap().get_i64("count").unwrap(), count, "{kind}");
    }
    let stage = rawdoc! { "$collStats": { "latencyStats": { "histograms": true } } };
    let stats = rawdoc! { "aggregate": "c", "pipeline": [stage], "cursor": {}, "$db": "d" };
    let shown = found(&mut client, stats.clone()).await;
    let latency = shown[0].get_document("latencyStats").unwrap();
    let reads = latency.get_document("reads").unwrap();
    assert_eq!(reads.get_i64("ops").unwrap(), 1);
    assert_eq!(reads.get_array("histogram").unwrap().into_iter().count(), 1);

    client.ok(rawdoc! { "drop": "c", "$db": "d" }).await;
    client.ok(rawdoc! { "create": "c", "$db": "d" }).await;
    let shown = found(&mut client, stats).await;
    let latency = shown[0].get_document("latencyStats").unwrap();
    assert_eq!(latency.get_document("reads").unwrap().get_i64("ops").unwrap(), 0);
    assert_eq!(client.code(rawdoc! { "top": 1, "$db": "d" }).await, 13);
}

#[tokio::test]
async fn storage_statistics_keep_to_their_scale() {
    let (_server, mut client) = start().await;
    fill(&mut client, 100).await;
    let stats = |scale: RawBson| {
        let stage = rawdoc! { "$collStats": { "storageStats": { "scale": scale }, "count": {} } };
        rawdoc! { "aggregate": "c", "pipeline": [stage], "cursor": {}, "$db": "d" }
    };
    let of = |shown: &[RawDocumentBuf]| {
        shown[0].get_document("storageStats").unwrap().get_i64("size").unwrap()
    };
    let whole = of(&found(&mut client, stats(RawBson::Int32(1))).await);
    let scaled = of(&found(&mut client, stats(RawBson::Int32(10))).await);
    assert_eq!(scaled, whole / 10);
    assert_eq!(client.code(stats(RawBson::Int32(0))).await, 51024);
    let wrong = rawdoc! { "$collStats": { "storageStats": 1 } };
    let wrong = rawdoc! { "aggregate": "c", "pipeline": [wrong], "cursor": {}, "$db": "d" };
    assert_eq!(client.code(wrong).await, 40167);
}

#[tokio::test]
async fn a_part_of_a_collection_has_a_size() {
    let (_server, mut client) = start().await;
    fill(&mut client, 20).await;
    let document = rawdoc! { "_id": 0, "a": 0 };
    let each = i64::try_from(document.as_bytes().len()).unwrap();
    let whole = client.ok(rawdoc! { "dataSize": "d.c", "$db": "d" }).await;
    assert_eq!(whole.get_i64("size").unwrap(), 20 * each);
    assert_eq!(whole.get_i64("numObjects").unwrap(), 20);
    let part = rawdoc! {
        "dataSize": "d.c", "keyPattern": { "_id": 1 }, "min": { "_id": 5 }, "max": { "_id": 9 },
        "$db": "d",
    };
    let part = client.ok(part).await;
    assert_eq!(part.get_i64("size").unwrap(), 4 * each);
    assert_eq!(part.get_i64("numObjects").unwrap(), 4);
    let none = client.ok(rawdoc! { "dataSize": "d.none", "$db": "d" }).await;
    assert_eq!(none.get_i64("numObjects").unwrap(), 0);
    for (command, code) in [
        (rawdoc! { "dataSize": "d.c", "min": { "_id": 1 }, "$db": "d" }, 2),
        (rawdoc! { "dataSize": "d.c", "min": { "b": 1 }, "max": { "b": 2 }, "$db": "d" }, 2),
        (rawdoc! { "dataSize": 1, "$db": "d" }, 14),
        (rawdoc! { "dataSize": "", "$db": "d" }, 73),
        (rawdoc! { "dataSize": "d.c", "colour": 1, "$db": "d" }, 40415),
    ] {
        assert_eq!(client.code(command.clone()).await, code, "{command:?}");
    }
}

#[tokio::test]
async fn a_collection_becomes_capped_and_keeps_the_newest() {
    let (_server, mut client) = start().await;
    fill(&mut client, 1000).await;
    let index = rawdoc! { "key": { "a": 1 }, "name": "by_a" };
    client.ok(rawdoc! { "createIndexes": "c", "indexes": [index], "$db": "d" }).await;
    let clone = rawdoc! {
        "cloneCollectionAsCapped": "c", "toCollection": "copy", "size": 8192, "$db": "d",
    };
    client.ok(clone.clone()).await;
    assert_eq!(client.code(clone).await, 48);
    client.ok(rawdoc! { "convertToCapped": "c", "size": 8192, "$db": "d" }).await;
    for name in ["c", "copy"] {
        let stats = client.ok(rawdoc! { "collStats": name, "$db": "d" }).await;
        assert!(stats.get_bool("capped").unwrap());
        assert_eq!(stats.get_i32("nindexes").unwrap(), 1);
        assert!(stats.get_i32("size").unwrap() <= 8192);
        let newest = rawdoc! { "find": name, "sort": { "$natural": -1 }, "limit": 1, "$db": "d" };
        assert_eq!(found(&mut client, newest).await[0].get_i32("_id").unwrap(), 999);
        let oldest = rawdoc! { "find": name, "filter": { "_id": 0 }, "$db": "d" };
        assert_eq!(found(&mut client, oldest).await, []);
        let checked = client.ok(rawdoc! { "validate": name, "$db": "d" }).await;
        assert!(checked.get_bool("valid").unwrap());
    }
    let more = rawdoc! { "_id": 1000, "a": 0 };
    client.ok(rawdoc! { "insert": "c", "documents": [more], "$db": "d" }).await;
    client.ok(rawdoc! { "create": "v", "viewOn": "c", "pipeline": [], "$db": "d" }).await;
    for (command, code) in [
        (rawdoc! { "convertToCapped": "none", "size": 4096, "$db": "d" }, 26),
        (rawdoc! { "convertToCapped": "v", "size": 4096, "$db": "d" }, 166),
        (rawdoc! { "convertToCapped": "c", "size": 0, "$db": "d" }, 72),
        (rawdoc! { "convertToCapped": "c", "size": -5, "$db": "d" }, 72),
        (rawdoc! { "convertToCapped": "c", "size": "big", "$db": "d" }, 14),
        (rawdoc! { "convertToCapped": "c", "$db": "d" }, 40414),
    ] {
        assert_eq!(client.code(command.clone()).await, code, "{command:?}");
    }
}

#[tokio::test]
async fn indexes_are_built_anew() {
    let (_server, mut client) = start().await;
    fill(&mut client, 100).await;
    let index = rawdoc! { "key": { "a": 1 }, "name": "by_a" };
    client.ok(rawdoc! { "createIndexes": "c", "indexes": [index], "$db": "d" }).await;
    let reply = client.ok(rawdoc! { "reIndex": "c", "$db": "d" }).await;
    assert_eq!(reply.get_i32("nIndexesWas").unwrap(), 2);
    assert_eq!(reply.get_i32("nIndexes").unwrap(), 2);
    assert_eq!(reply.get_array("indexes").unwrap().into_iter().count(), 2);
    let checked = client.ok(rawdoc! { "validate": "c", "$db": "d" }).await;
    assert!(checked.get_bool("valid").unwrap());
    let hinted = rawdoc! { "count": "c", "query": { "a": 3 }, "hint": "by_a", "$db": "d" };
    assert_eq!(client.ok(hinted).await.get_i32("n").unwrap(), 10);
    assert_eq!(client.code(rawdoc! { "reIndex": "none", "$db": "d" }).await, 26);
    let server = builder().replica_set("rs0").start().await.unwrap();
    let mut client = Client::connect(&server).await;
    fill(&mut client, 1).await;
    assert_eq!(client.code(rawdoc! { "reIndex": "c", "$db": "d" }).await, 20);
}

/// What the profiler wrote.
async fn profiled(client: &mut Client, filter: RawDocumentBuf) -> Vec<RawDocumentBuf> {
    found(client, rawdoc! { "find": "system.profile", "filter": filter, "$db": "d" }).await
}

#[tokio::test]
async fn the_profiler_writes_commands_down() {
    let (_server, mut client) = start().await;
    let reply = client.ok(rawdoc! { "profile": -1, "$db": "d" }).await;
    assert_eq!((reply.get_i32("was").unwrap(), reply.get_i32("slowms").unwrap()), (0, 100));
    client.ok(rawdoc! { "profile": 2, "$db": "d" }).await;
    fill(&mut client, 3).await;
    let failing = rawdoc! { "find": "c", "filter": { "$nothing": 1 }, "$db": "d" };
    assert_eq!(client.code(failing).await, 2);
    client.ok(rawdoc! { "find": "c", "filter": { "a": 1 }, "$db": "d" }).await;
    let shown = profiled(&mut client, rawdoc! { "ns": "d.c", "op": "query", "nreturned": 1 }).await;
    assert_eq!(shown.len(), 1);
    let command = shown[0].get_document("command").unwrap();
    assert_eq!(command.get_document("filter").unwrap().get_i32("a").unwrap(), 1);
    assert_eq!(profiled(&mut client, rawdoc! { "errCode": 2 }).await.len(), 1);
    assert_eq!(profiled(&mut client, rawdoc! { "ninserted": 3 }).await.len(), 1);
    assert!(
        profiled(&mut client, rawdoc! { "command.profile": { "$exists": true } }).await.is_empty()
    );
    // Each statement for itself.
    let updates = [1, 2].map(|n| rawdoc! { "q": { "a": n }, "u": { "$set": { "b": n } } });
    let updates: RawArrayBuf = updates.into_iter().collect();
    client.ok(rawdoc! { "update": "c", "updates": updates, "comment": "both", "$db": "d" }).await;
    let shown = profiled(&mut client, rawdoc! { "op": "update", "command.comment": "both" }).await;
    assert_eq!(shown.len(), 2);
    let command = shown[1].get_document("command").unwrap();
    assert_eq!(command.get_document("q").unwrap().get_i32("a").unwrap(), 2);
    let listed =
        rawdoc! { "listCollections": 1, "filter": { "name": "system.profile" }, "$db": "d" };
    let listed = found(&mut client, listed).await;
    assert!(listed[0].get_document("options").unwrap().get_bool("capped").unwrap());
    assert_eq!(client.code(rawdoc! { "drop": "system.profile", "$db": "d" }).await, 20);
    assert_eq!(client.ok(rawdoc! { "profile": 0, "$db": "d" }).await.get_i32("was").unwrap(), 2);
    // A password is not written down.
    let user = rawdoc! { "createUser": "ada", "pwd": "pencil", "roles": [], "$db": "d" };
    client.ok(rawdoc! { "profile": 2, "$db": "d" }).await;
    client.ok(user).await;
    let shown = profiled(&mut client, rawdoc! { "command.$redacted": { "$exists": true } }).await;
    assert!(!format!("{shown:?}").contains("pencil"));
}

#[tokio::test]
async fn the_profiler_takes_what_its_filter_says() {
    let (_server, mut client) = start().await;
    let filter = rawdoc! { "op": "insert" };
    client.ok(rawdoc! { "profile": 1, "filter": filter, "slowms": 5000, "$db": "d" }).await;
    fill(&mut client, 1).await;
    client.ok(rawdoc! { "find": "c", "$db": "d" }).await;
    assert_eq!(profiled(&mut client, rawdoc! {}).await.len(), 1);
    let reply = client.ok(rawdoc! { "profile": -1, "filter": "unset", "$db": "d" }).await;
    assert_eq!(reply.get_i32("slowms").unwrap(), 5000);
    assert!(reply.get_document("filter").is_ok());
    let reply = client.ok(rawdoc! { "profile": 0, "$db": "d" }).await;
    assert!(reply.get("filter").unwrap().is_none());
    for (command, code) in [
        (rawdoc! { "profile": 3, "$db": "d" }, 2),
        (rawdoc! { "profile": i64::MAX, "$db": "d" }, 2),
        (rawdoc! { "profile": "all", "$db": "d" }, 14),
        (rawdoc! { "profile": 1, "sampleRate": 1.5, "$db": "d" }, 2),
        (rawdoc! { "profile": 1, "sampleRate": f64::NAN, "$db": "d" }, 2),
        (rawdoc! { "profile": 1, "filter": 1, "$db": "d" }, 2),
        (rawdoc! { "profile": 1, "filter": { "$nothing": 1 }, "$db": "d" }, 2),
        (rawdoc! { "profile": 1, "colour": 1, "$db": "d" }, 40415),
    ] {
        assert_eq!(client.code(command.clone()).await, code, "{command:?}");
    }
}

#[tokio::test]
async fn every_command_has_help() {
    let (_server, mut client) = start().await;
    for name in ["find", "count", "top"] {
        let mut command = RawDocumentBuf::new();
        command.append(bson::raw::CString::try_from(name).unwrap(), 1);
        command.append(bson::raw::cstr!("help"), true);
        command.append(bson::raw::cstr!("$db"), "admin");
        assert!(client.ok(command).await.get_str("help").unwrap().contains(name));
    }
}

#[tokio::test]
async fn tools_get_the_answers_of_a_server_alone() {
    let (_server, mut client) = start().await;
    for command in [
        rawdoc! { "connPoolStats": 1, "$db": "admin" },
        rawdoc! { "lockInfo": 1, "$db": "admin" },
        rawdoc! { "planCacheClear": "c", "$db": "d" },
        rawdoc! { "planCacheListFilters": "c", "$db": "d" },
        rawdoc! { "planCacheClearFilters": "c", "query": { "a": 1 }, "$db": "d" },
        rawdoc! {
            "aggregate": "c", "pipeline": [{ "$planCacheStats": {} }], "cursor": {}, "$db": "d",
        },
        rawdoc! { "getParameter": 1, "logComponentVerbosity": 1, "$db": "admin" },
        rawdoc! { "setParameter": 1, "logComponentVerbosity": { "verbosity": 1 }, "$db": "admin" },
    ] {
        client.ok(command).await;
    }
    for (command, code) in [
        (rawdoc! { "fsyncUnlock": 1, "$db": "admin" }, 20),
        (rawdoc! { "getDefaultRWConcern": 1, "$db": "admin" }, 51300),
        (rawdoc! { "replSetInitiate": {}, "$db": "admin" }, 76),
        (rawdoc! { "replSetStepDown": 60, "$db": "admin" }, 76),
        (rawdoc! { "planCacheClear": 1, "$db": "d" }, 73),
    ] {
        assert_eq!(client.code(command.clone()).await, code, "{command:?}");
    }
    let server = builder().replica_set("rs0").start().await.unwrap();
    let mut client = Client::connect(&server).await;
    let reply = client.ok(rawdoc! { "getDefaultRWConcern": 1, "$db": "admin" }).await;
    let write = reply.get_document("defaultWriteConcern").unwrap();
    assert_eq!(write.get_str("w").unwrap(), "majority");
    for (command, code) in [
        (rawdoc! { "replSetInitiate": {}, "$db": "admin" }, 23),
        (rawdoc! { "replSetReconfig": {}, "$db": "admin" }, 103),
        (rawdoc! { "replSetStepDown": 60, "$db": "admin" }, 262),
        (rawdoc! { "replSetFreeze": 1, "$db": "admin" }, 95),
    ] {
        assert_eq!(client.code(command.clone()).await, code, "{command:?}");
    }
}

#[tokio::test]
async fn a_hashed_index_answers_equality() {
    let (_server, mut client) = start().await;
    fill(&mut client, 100).await;
    let index = rawdoc! { "key": { "a": "hashed" }, "name": "a_hashed" };
    client.ok(rawdoc! { "createIndexes": "c", "indexes": [index], "$db": "d" }).await;
    let find = rawdoc! { "find": "c", "filter": { "a": 3 } };
    let explain = rawdoc! { "explain": find, "verbosity": "executionStats", "$db": "d" };
    let plan = client.ok(explain).await;
    let winning = plan.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap();
    let stage = winning.get_document("inputStage").unwrap();
    assert_eq!(stage.get_str("stage").unwrap(), "IXSCAN");
    assert_eq!(stage.get_str("indexName").unwrap(), "a_hashed");
    let executed = plan.get_document("executionStats").unwrap();
    assert_eq!(executed.get_i32("nReturned").unwrap(), 10);
    assert_eq!(executed.get_i32("totalDocsExamined").unwrap(), 10);
    let hinted = rawdoc! {
        "count": "c", "query": { "a": { "$in": [1, 2] } }, "hint": { "a": "hashed" }, "$db": "d",
    };
    assert_eq!(client.ok(hinted).await.get_i32("n").unwrap(), 20);
    let listed = found(&mut client, rawdoc! { "listIndexes": "c", "$db": "d" }).await;
    assert_eq!(listed[1].get_document("key").unwrap().get_str("a").unwrap(), "hashed");
    let array = rawdoc! { "_id": 100, "a": [1] };
    let insert = rawdoc! { "insert": "c", "documents": [array], "$db": "d" };
    let refused = client.ok(insert).await;
    let error = refused.get_array("writeErrors").unwrap().into_iter().next().unwrap().unwrap();
    assert_eq!(error.as_document().unwrap().get_i32("code").unwrap(), 16766);
    for (key, unique, code) in [
        (rawdoc! { "a": "hashed", "b": "hashed" }, false, 31303),
        (rawdoc! { "b": "hashed" }, true, 16764),
        (rawdoc! { "b": "hashes" }, false, 67),
        (rawdoc! { "b": "" }, false, 67),
    ] {
        let index = rawdoc! { "key": key, "name": "x", "unique": unique };
        let create = rawdoc! { "createIndexes": "c", "indexes": [index], "$db": "d" };
        assert_eq!(client.code(create.clone()).await, code, "{create:?}");
    }
    for key in [rawdoc! { "_id": "hashed" }, rawdoc! { "b": 1, "a": "hashed", "c": -1 }] {
        let index = rawdoc! { "key": key.clone(), "name": format!("{key:?}") };
        client.ok(rawdoc! { "createIndexes": "c", "indexes": [index], "$db": "d" }).await;
    }
    let by_id = rawdoc! { "find": "c", "filter": { "_id": 7 }, "hint": { "_id": "hashed" },
    "$db": "d" };
    assert_eq!(found(&mut client, by_id).await.len(), 1);
    // Those that held an array before cannot be indexed.
    client.ok(rawdoc! { "insert": "e", "documents": [{ "a": [1] }], "$db": "d" }).await;
    let index = rawdoc! { "key": { "a": "hashed" }, "name": "a_hashed" };
    let create = rawdoc! { "createIndexes": "e", "indexes": [index], "$db": "d" };
    assert_eq!(client.code(create).await, 16766);
    let checked = client.ok(rawdoc! { "validate": "c", "$db": "d" }).await;
    assert!(checked.get_bool("valid").unwrap());
}

/// What programs that watch a server read.
#[tokio::test]
async fn the_status_counts_messages_bytes_and_errors() {
    let (_server, mut client) = start().await;
    let ask = rawdoc! { "serverStatus": 1, "$db": "admin" };
    let before = client.ok(ask.clone()).await;
    let unknown = rawdoc! { "noSuchCommand": 1, "$db": "test" };
    assert_eq!(client.code(unknown).await, 59);
    let refused = rawdoc! { "find": "people", "skip": -1, "$db": "test" };
    client.code(refused).await;
    let after = client.ok(ask).await;
    let grown = |section: &str, name: &str| {
        let read =
            |status: &RawDocumentBuf| status.get_document(section).unwrap().get_i64(name).unwrap();
        read(&after) - read(&before)
    };
    assert_eq!(grown("asserts", "user"), 2);
    assert_eq!(grown("network", "numRequests"), 3);
    assert!(grown("network", "bytesIn") > 3 * 16);
    // The first status itself is among them.
    let sent = i64::try_from(before.as_bytes().len()).unwrap();
    assert!(grown("network", "bytesOut") > sent);
    let active = after.get_document("globalLock").unwrap().get_document("activeClients").unwrap();
    assert_eq!(active.get_i64("total").unwrap(), 1);
}
