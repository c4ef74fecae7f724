//! Write commands and their errors.

use bson::rawdoc;

use crate::client::start;

#[tokio::test]
async fn write_errors_stand_in_the_reply() {
    let (_server, mut client) = start().await;
    let insert = rawdoc! {
        "insert": "c", "ordered": false, "$db": "d",
        "documents": [{ "_id": 1 }, { "_id": 1 }, { "_id": 2 }],
    };
    let reply = client.ok(insert).await;
    assert_eq!(reply.get_i32("n").unwrap(), 2);
    let errors = reply.get_array("writeErrors").unwrap();
    let error = errors.get_document(0).unwrap();
    assert_eq!(error.get_i32("index").unwrap(), 1);
    assert_eq!(error.get_i32("code").unwrap(), 11000);
    assert!(error.get_document("keyPattern").is_ok());
}

#[tokio::test]
async fn batches_have_a_size() {
    let (_server, mut client) = start().await;
    assert_eq!(client.code(rawdoc! { "insert": "c", "documents": [], "$db": "d" }).await, 16);
    let not_documents = rawdoc! { "insert": "c", "documents": [1], "$db": "d" };
    assert_eq!(client.code(not_documents).await, 14);
}

#[tokio::test]
async fn unknown_fields_and_names_are_refused() {
    let (_server, mut client) = start().await;
    let insert = rawdoc! { "insert": "c", "documents": [{}], "colour": 1, "$db": "d" };
    assert_eq!(client.code(insert).await, 40415);
    for name in ["", "a$b", ".a"] {
        let insert = rawdoc! { "insert": name, "documents": [{}], "$db": "d" };
        assert_eq!(client.code(insert).await, 73, "{name}");
    }
    assert_eq!(client.code(rawdoc! { "insert": 1, "documents": [{}], "$db": "d" }).await, 73);
}

#[tokio::test]
async fn a_fail_point_fails_a_command_as_often_as_it_says() {
    let server = crate::client::builder().test_commands(true).start().await.unwrap();
    let mut client = crate::client::Client::connect(&server).await;
    let configure = rawdoc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 }, "$db": "admin",
        "data": { "failCommands": ["find"], "errorCode": 91, "errorLabels": ["X"] },
    };
    client.ok(configure).await;
    let reply = client.run(rawdoc! { "find": "c", "$db": "d" }).await;
    assert_eq!(reply.get_str("codeName").unwrap(), "ShutdownInProgress");
    assert!(reply.get_array("errorLabels").is_ok());
    client.ok(rawdoc! { "find": "c", "$db": "d" }).await;
}
