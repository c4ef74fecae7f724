//! 28. KMS Connect Callback.
//!
//! Case 5, a callback that is told a timeout, does not apply: the client has no timeout for whole
//! operations.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bson::{Bson, Document, doc, spec::BinarySubtype};
use fieldveil::{
    Algorithm, ClientEncryption, Part,
    kms::{Connect, Socket},
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    services::{
        ARN, Services,
        authority::Authority,
        front::{Front, Request},
    },
    setup::Deployment,
};

/// An HTTP proxy that leads every host to the services, and counts connections.
struct Proxy {
    front: Front,
    /// Vouches for the proxy, and for nothing else.
    authority: Authority,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    async fn new(services: &Services, is_tls: bool) -> Self {
        let authority = Authority::new();
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, port) = (Arc::clone(&connections), services.http.port);
        let front = if is_tls {
            Front::tls(authority.server(), None, move |stream| {
                count.fetch_add(1, Ordering::Relaxed);
                tunnel(stream, port)
            })
            .await
        } else {
            Front::tcp(move |stream| {
                count.fetch_add(1, Ordering::Relaxed);
                tunnel(stream, port)
            })
            .await
        };
        Self { front, authority, connections }
    }

    fn plain_callback(&self) -> Connect {
        let port = self.front.port;
        Connect::callback(move |host, kms_port| async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(Box::new(ask(stream, &host, kms_port).await?) as Box<dyn Socket>)
        })
    }

    fn tls_callback(&self) -> Connect {
        let port = self.front.port;
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        Connect::callback(move |host, kms_port| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(("127.0.0.1", port)).await?;
                let name = ServerName::try_from("127.0.0.1").unwrap();
                let stream = connector.connect(name, stream).await?;
                Ok(Box::new(ask(stream, &host, kms_port).await?) as Box<dyn Socket>)
            }
        })
    }

    fn take_connections(&self) -> usize {
        self.connections.swap(0, Ordering::Relaxed)
    }
}

async fn tunnel(mut client: impl AsyncRead + AsyncWrite + Unpin, port: u16) -> io::Result<()> {
    let request = Request::read(&mut client).await?;
    assert_eq!(request.target(), "kms.us-east-1.amazonaws.com:443");
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    client.flush().await?;
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The client's side of `CONNECT`.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    port: u16,
) -> io::Result<S> {
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\n") {
        reply.push(stream.read_u8().await?);
    }
    assert!(reply.starts_with(b"HTTP/1.1 200"));
    Ok(stream)
}

fn keys(deployment: &Deployment, services: &Services, connect: Connect) -> ClientEncryption {
    let builder = services.client_encryption(deployment.client.clone());
    builder.kms_connect(connect).build().unwrap()
}

fn master_key() -> Document {
    doc! { "region": "us-east-1", "key": ARN }
}

#[tokio::test]
async fn case_1_by_a_plain_http_proxy() {
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let proxy = Proxy::new(&services, false).await;
    let keys = keys(&deployment, &services, proxy.plain_callback());
    keys.create_data_key("aws").master_key(master_key()).await.unwrap();
    assert_eq!(proxy.take_connections(), 1);
}

#[tokio::test]
async fn case_2_by_a_proxy_that_is_reached_with_tls() {
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let proxy = Proxy::new(&services, true).await;
    let keys = keys(&deployment, &services, proxy.tls_callback());
    keys.create_data_key("aws").master_key(master_key()).await.unwrap();
    assert_eq!(proxy.take_connections(), 1);
}

#[tokio::test]
async fn case_3_automatic_encryption_by_a_proxy() {
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let proxy = Proxy::new(&services, false).await;
    let keys = keys(&deployment, &services, proxy.plain_callback());
    let id = keys.create_data_key("aws").master_key(master_key()).await.unwrap();
    let schema = doc! {
        "bsonType": "object",
        "properties": { "encrypted_string": { "encrypt": {
            "keyId": [id], "bsonType": "string",
            "algorithm": Algorithm::Deterministic.as_str(),
        } } },
    };
    proxy.take_connections();
    let providers = doc! { "aws": services.kms_providers().remove("aws").unwrap() };
    let client = deployment
        .encrypted()
        .kms_providers(providers)
        .tls_options("aws", services.tls_options())
        .kms_connect(proxy.plain_callback())
        .schema("db.coll", schema)
        .build()
        .await
        .unwrap();
    let coll = client.collection::<Document>("db", "coll");
    coll.insert_one(doc! { "_id": 1, "encrypted_string": "hello" }).await.unwrap();
    let found = coll.find_one(doc! { "_id": 1 }).await.unwrap().unwrap();
    assert_eq!(found.get_str("encrypted_string").unwrap(), "hello");
    let stored = deployment.coll().find_one(doc! { "_id": 1 }).await.unwrap().unwrap();
    assert!(matches!(stored.get("encrypted_string"),
        Some(Bson::Binary(binary)) if binary.subtype == BinarySubtype::Encrypted));
    assert_eq!(proxy.take_connections(), 1, "the unwrapped key is kept");
}

#[tokio::test]
async fn case_4_the_error_of_the_callback_is_told() {
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let connect = Connect::callback(|_, _| async { Err(io::Error::other("no way out")) });
    let keys = keys(&deployment, &services, connect);
    let error = keys.create_data_key("aws").master_key(master_key()).await.unwrap_err();
    assert_eq!(error.part(), Part::Kms);
    assert!(error.to_string().contains("no way out"), "{error}");
}

#[tokio::test]
async fn case_6_a_callback_that_failed_is_called_again() {
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let proxy = Proxy::new(&services, false).await;
    let (calls, port) = (Arc::new(AtomicUsize::new(0)), proxy.front.port);
    let count = Arc::clone(&calls);
    let connect = Connect::callback(move |host, kms_port| {
        let call = count.fetch_add(1, Ordering::Relaxed);
        async move {
            if call == 0 {
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(Box::new(ask(stream, &host, kms_port).await?) as Box<dyn Socket>)
        }
    });
    let keys = keys(&deployment, &services, connect);
    keys.create_data_key("aws").master_key(master_key()).await.unwrap();
    assert_eq!((calls.load(Ordering::Relaxed), proxy.take_connections()), (2, 1));
}
