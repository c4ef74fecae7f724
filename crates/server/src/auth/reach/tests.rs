use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use fieldveil_store::Store;
use fieldveil_wire::{OpMsg, Operation, PeerAddress};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{
        role::Role,
        user::{User, UserName},
    },
    options::Options,
    peer::Peer,
    request::Request,
    run::run,
    shared::Shared,
    table,
};

/// A server, and a client whose user has a role.
struct Client {
    shared: Shared,
    peer: Peer,
}

impl Client {
    fn new(role: &str, database: &str) -> Self {
        let options = Options { authentication: true, ..Options::default() };
        let store = Store::in_memory().unwrap();
        let shared = Shared::new(store, options, CancellationToken::new()).unwrap();
        let name = UserName::new("u", database);
        let user = User {
            name: name.clone(),
            uuid: [0; 16],
            roles: vec![Role::find(role, database).unwrap()],
            custom_data: None,
            credentials: Vec::new(),
        };
        shared.users.save(&shared.store, user).unwrap();
        let peer = Peer::new(1, PeerAddress::Local);
        peer.state().authenticated.push(name);
        Self { shared, peer }
    }

    /// 0 for a command that is done, or the code of its error.
    fn code(&self, command: RawDocumentBuf) -> i32 {
        let request = Request::from_operation(Operation::Msg(OpMsg::new(command))).unwrap();
        let command = table::find(&request.name).unwrap();
        run(&self.shared, &self.peer, command, &request, false).map_or_else(|it| it.code, |_| 0)
    }

    fn aggregate(&self, database: &str, stage: RawDocumentBuf) -> i32 {
        let pipeline = pipeline(stage);
        self.code(rawdoc! { "aggregate": "c", "pipeline": pipeline, "cursor": {}, "$db": database })
    }
}

fn pipeline(stage: RawDocumentBuf) -> RawArrayBuf {
    [stage].into_iter().collect()
}

fn lookup(from: impl Into<bson::RawBson>) -> RawDocumentBuf {
    rawdoc! { "$lookup": { "from": from.into(), "localField": "a", "foreignField": "b", "as": "c" } }
}

/// Stages that read a collection of their database.
fn readers(collection: &str) -> Vec<RawDocumentBuf> {
    let union = || rawdoc! { "$unionWith": collection };
    vec![
        lookup(collection),
        union(),
        rawdoc! { "$unionWith": { "coll": "c", "pipeline": [lookup(collection)] } },
        rawdoc! { "$facet": { "a": [{ "$match": {} }], "b": [lookup(collection)] } },
        rawdoc! { "$facet": { "a": [{ "$unionWith": { "coll": "c", "pipeline": [union()] } }] } },
        rawdoc! { "$lookup": { "from": "c", "pipeline": [union()], "as": "d" } },
        rawdoc! { "$lookup": {
            "pipeline": [{ "$documents": [{ "x": 1 }] }, union()], "as": "d",
        } },
        rawdoc! { "$graphLookup": {
            "from": collection, "startWith": "$a", "connectFromField": "b", "connectToField": "c",
            "as": "d",
        } },
    ]
}

#[test]
fn a_closed_collection_is_not_reached_through_a_pipeline() {
    for (database, collection, role, keeper) in
        [("admin", "system.users", "dbOwner", "root"), ("d", "system.profile", "read", "dbOwner")]
    {
        let client = Client::new(role, database);
        let keeper = Client::new(keeper, database);
        for stage in readers(collection) {
            assert_eq!(client.aggregate(database, stage.clone()), 13, "{stage:?}");
            assert_eq!(keeper.aggregate(database, stage.clone()), 0, "{stage:?}");
            let explained = rawdoc! { "aggregate": "c", "pipeline": pipeline(stage.clone()) };
            assert_eq!(client.code(rawdoc! { "explain": explained, "$db": database }), 13);
        }
    }
}

#[test]
fn a_value_that_is_such_a_name_is_no_way_to_it() {
    let client = Client::new("readWrite", "admin");
    for stage in [
        rawdoc! { "$match": { "ns": "system.users" } },
        rawdoc! { "$match": { "$expr": { "$eq": ["$ns", "d.system.profile"] } } },
        rawdoc! { "$addFields": { "a": { "$literal": { "$unionWith": "system.users" } } } },
        rawdoc! { "$facet": { "a": [{ "$match": { "from": "system.profile" } }] } },
        lookup("system.users.archive"),
    ] {
        assert_eq!(client.aggregate("admin", stage.clone()), 0, "{stage:?}");
        let view = rawdoc! {
            "create": "v", "viewOn": "c", "pipeline": pipeline(stage), "$db": "admin",
        };
        assert_eq!(client.code(view), 0);
        client.code(rawdoc! { "drop": "v", "$db": "admin" });
    }
    let validator = rawdoc! { "a": "system.users" };
    assert_eq!(client.code(rawdoc! { "create": "w", "validator": validator, "$db": "admin" }), 0);
    let elsewhere = Client::new("read", "d");
    assert_eq!(elsewhere.aggregate("d", lookup("system.users")), 0, "the users are in admin");
}

#[test]
fn a_closed_collection_is_not_made_a_view() {
    let client = Client::new("dbOwner", "admin");
    client.code(rawdoc! { "create": "v", "viewOn": "c", "pipeline": [], "$db": "admin" });
    for name in ["create", "collMod"] {
        let view = |on: &str, stages: RawArrayBuf| {
            let mut command = RawDocumentBuf::new();
            let field = if name == "create" {
                bson::raw::cstr!("create")
            } else {
                bson::raw::cstr!("collMod")
            };
            command.append(field, if name == "create" { "w" } else { "v" });
            command.append(bson::raw::cstr!("viewOn"), on);
            command.append(bson::raw::cstr!("pipeline"), stages);
            command.append(bson::raw::cstr!("$db"), "admin");
            client.code(command)
        };
        assert_eq!(view("system.users", RawArrayBuf::new()), 13, "{name}");
        for stage in readers("system.users") {
            assert_eq!(view("c", pipeline(stage.clone())), 13, "{name}: {stage:?}");
        }
    }
}

#[test]
fn another_database_is_read_and_written_by_its_own_users_only() {
    let client = Client::new("readWrite", "d");
    let namespace = |database: &str| rawdoc! { "db": database, "coll": "c" };
    for (database, code) in [("d", 0), ("e", 13), ("admin", 13)] {
        let reading = lookup(namespace(database));
        assert_eq!(client.aggregate("d", reading.clone()), code, "{database}");
        assert_eq!(client.aggregate("d", rawdoc! { "$facet": { "a": [reading] } }), code);
        assert_eq!(client.aggregate("d", rawdoc! { "$out": namespace(database) }), code);
        let merge = rawdoc! { "$merge": { "into": namespace(database) } };
        assert_eq!(client.aggregate("d", merge), code, "{database}");
    }
    let reader = Client::new("read", "d");
    assert_eq!(reader.aggregate("d", rawdoc! { "$out": "c" }), 13);
}

#[test]
fn nobody_writes_the_users_but_by_the_commands_about_them() {
    let root = Client::new("root", "admin");
    for stage in [rawdoc! { "$out": "system.users" }, rawdoc! { "$merge": "system.users" }] {
        assert_eq!(root.aggregate("admin", stage), 13);
    }
    for (from, to) in [("admin.c", "admin.system.users"), ("admin.system.users", "admin.c")] {
        assert_eq!(root.code(rawdoc! { "renameCollection": from, "to": to, "$db": "admin" }), 13);
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let root = Client::new("root", "admin");
    for (stage, code) in [
        (rawdoc! { "$rankFusion": {} }, 238),
        (rawdoc! { "$unionWith": { "coll": "c", "pipeline": [{ "$scoreFusion": {} }] } }, 238),
        (rawdoc! { "$unknown": "system.users" }, 40324),
        (rawdoc! { "$unionWith": { "from": "system.users" } }, 40415),
    ] {
        assert_eq!(root.aggregate("admin", stage.clone()), code, "{stage:?}");
    }
}

#[test]
fn explaining_a_command_needs_what_the_command_needs() {
    let reader = Client::new("read", "admin");
    for (explained, code) in [
        (rawdoc! { "find": "c" }, 0),
        (rawdoc! { "find": "system.users", "filter": { "user": "u" } }, 13),
        (rawdoc! { "count": "system.profile" }, 13),
        (rawdoc! { "update": "c", "updates": [{ "q": {}, "u": { "$set": { "a": 1 } } }] }, 13),
    ] {
        assert_eq!(
            reader.code(rawdoc! { "explain": explained.clone(), "$db": "admin" }),
            code,
            "{explained:?}"
        );
    }
}
