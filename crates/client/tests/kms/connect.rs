//! HTTP proxies. A connect function of the caller is prose test 28.

use std::sync::{Arc, Mutex};

use fieldveil::kms::{Connect, HttpProxy};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};

use crate::{
    Database,
    services::{
        PROVIDERS, Services,
        front::{Front, Request, reply},
    },
};

/// A proxy that leads where it is told to, for whoever has the password; and where it was told to.
pub(crate) async fn proxy() -> (Front, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let front = Front::tcp(move |mut client| {
        let log = Arc::clone(&log);
        async move {
            let request = Request::read(&mut client).await?;
            if request.header("Proxy-Authorization") != Some("Basic dXNlcjpwYXNzd29yZA==") {
                return reply(&mut client, 407, "").await;
            }
            let target = request.target().to_owned();
            log.lock().unwrap().push(target.clone());
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            let mut server = TcpStream::connect(target).await?;
            copy_bidirectional(&mut client, &mut server).await.map(|_| ())
        }
    })
    .await;
    (front, asked)
}

/// The way through it.
pub(crate) fn through(port: u16, password: &str) -> Connect {
    Connect::HttpProxy(HttpProxy::new("127.0.0.1", port).credentials("user", password))
}

#[tokio::test]
async fn every_service_is_reached_by_a_proxy_with_a_password() {
    let (database, services) = (Database::new().await, Services::new().await);
    let (proxy, asked) = proxy().await;
    let keys = |password: &str| {
        let builder = services.client_encryption(database.client.clone());
        builder.kms_connect(through(proxy.port, password)).build().unwrap()
    };
    for provider in PROVIDERS.into_iter().filter(|name| *name != "local") {
        let key = services.master_key(provider).unwrap();
        keys("password").create_data_key(provider).master_key(key.clone()).await.unwrap();
        let keys = keys("wrong");
        let error = keys.create_data_key(provider).master_key(key).await.unwrap_err();
        assert!(error.to_string().contains("status 407"), "{provider}: {error}");
    }
    let asked = asked.lock().unwrap();
    let to = |endpoint: String| asked.iter().filter(|target| **target == endpoint).count();
    // One for AWS, a token and a key for each of the others; and three steps of KMIP.
    assert_eq!((to(services.http.endpoint()), to(services.kmip.endpoint())), (5, 3));
}
