//! Who is let in, and to what.

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_server::Server;

use crate::client::{Client, builder};

async fn start() -> Server {
    builder().authentication(true).start().await.unwrap()
}

fn create(user: &str, role: &str, database: &str) -> RawDocumentBuf {
    rawdoc! { "createUser": user, "pwd": "pencil", "roles": [role], "$db": database }
}

#[tokio::test]
async fn only_the_first_user_is_made_without_authentication() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    client.ok(rawdoc! { "hello": 1, "$db": "admin" }).await;
    client.ok(rawdoc! { "ping": 1, "$db": "admin" }).await;
    assert_eq!(client.code(rawdoc! { "find": "c", "$db": "d" }).await, 13);
    assert_eq!(client.code(create("a", "readWrite", "d")).await, 13);
    client.ok(create("root", "root", "admin")).await;
    assert_eq!(client.code(create("other", "root", "admin")).await, 13);
    assert_eq!(client.code(rawdoc! { "usersInfo": 1, "$db": "admin" }).await, 13);
}

#[tokio::test]
async fn mechanisms_are_named_for_nobody_too() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    let mut first = create("root", "root", "admin");
    first.append(bson::raw::cstr!("mechanisms"), rawdoc! {});
    assert_eq!(client.code(first).await, 14);
    client.ok(create("root", "root", "admin")).await;
    for user in ["admin.root", "admin.nobody"] {
        let hello = rawdoc! { "hello": 1, "saslSupportedMechs": user, "$db": "admin" };
        let reply = client.ok(hello).await;
        let count = reply.get_array("saslSupportedMechs").unwrap().into_iter().count();
        assert_eq!(count, 2, "{user}");
    }
}

#[tokio::test]
async fn a_malformed_or_unfinished_exchange_lets_nobody_in() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    client.ok(create("root", "root", "admin")).await;
    let payload = |text: &str| bson::Binary {
        subtype: bson::spec::BinarySubtype::Generic,
        bytes: text.as_bytes().to_vec(),
    };
    let start = |text| {
        rawdoc! {
            "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": payload(text), "$db": "admin",
        }
    };
    let proceed = |text| {
        rawdoc! { "saslContinue": 1, "conversationId": 1, "payload": payload(text), "$db": "admin" }
    };
    assert_eq!(client.code(start("x")).await, 18);
    assert_eq!(client.code(proceed("")).await, 17);
    client.ok(start("n,,n=root,r=abc")).await;
    assert_eq!(client.code(proceed("")).await, 18);
    client.ok(start("n,,n=root,r=abc")).await;
    assert_eq!(client.code(proceed("c=biws,r=abc,p=AAAA")).await, 18);
    assert_eq!(client.code(rawdoc! { "find": "c", "$db": "d" }).await, 13);
}
