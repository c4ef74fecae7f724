//! A Unix domain socket beside TCP.

use bson::rawdoc;
use fieldveil_server::{Server, StartError};
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::client::{Client, builder};

async fn start(authentication: bool) -> (Server, Client<UnixStream>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let server = builder().authentication(authentication).unix_socket(&path).start().await.unwrap();
    let client = Client::over(UnixStream::connect(&path).await.unwrap());
    (server, client, folder)
}

#[tokio::test]
async fn both_lead_to_the_same_data() {
    let (server, mut near, _folder) = start(false).await;
    let mut far = Client::connect(&server).await;
    let insert = rawdoc! { "insert": "people", "documents": [{ "_id": 1 }], "$db": "test" };
    near.ok(insert).await;
    let counted = far.ok(rawdoc! { "count": "people", "$db": "test" }).await;
    assert_eq!(counted.get_i32("n").unwrap(), 1);
    let who = near.ok(rawdoc! { "whatsmyuri": 1, "$db": "admin" }).await;
    assert_eq!(who.get_str("you").unwrap(), "anonymous unix socket:27017");
}

/// Whoever may open the socket runs as the same user; still nobody but the first user is made
/// without authentication.
#[tokio::test]
async fn authentication_holds_there_too() {
    let (_server, mut client, _folder) = start(true).await;
    let find = rawdoc! { "find": "people", "$db": "test" };
    assert_eq!(client.code(find.clone()).await, 13);
    let user = |name: &str| {
        rawdoc! { "createUser": name, "pwd": "secret", "roles": ["root"], "$db": "admin" }
    };
    client.ok(user("first")).await;
    assert_eq!(client.code(user("second")).await, 13);
    assert_eq!(client.code(find).await, 13);
}

#[tokio::test]
async fn the_file_goes_with_the_server() {
    let (server, client, folder) = start(false).await;
    drop(client);
    server.shutdown().await;
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_path_that_cannot_be_used_is_named() {
    let (_server, _client, folder) = start(false).await;
    let path = folder.path().join("server.sock");
    let error = builder().unix_socket(&path).start().await.unwrap_err();
    assert!(matches!(&error, StartError::BindSocket { .. }), "{error:?}");
    let wanted = format!("cannot listen on {}: ", path.display());
    assert!(error.to_string().starts_with(&wanted), "{error}");
}
