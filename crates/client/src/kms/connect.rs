//! How a connection to a key service is made, below TLS.

use std::{fmt, io, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use zeroize::Zeroizing;

/// A proxy's answer to `CONNECT` may not be longer than this.
const MAX_PROXY_REPLY: usize = 8 * 1024;

/// A connected byte stream.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

type ConnectFn =
    dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Box<dyn Socket>>> + Send + Sync;

/// How connections to key services are made. TLS is always spoken with the key service itself,
/// end to end, whatever carries it.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Connect {
    /// Straight to the service.
    #[default]
    Direct,
    /// Through an HTTP proxy, with `CONNECT`.
    HttpProxy(HttpProxy),
    /// By a function of the caller.
    Callback(Arc<ConnectFn>),
}

impl Connect {
    /// By a function of the caller, which gets host and port and returns a connected stream.
    ///
    /// ```no_run
    /// use fieldveil::kms::{Connect, Socket};
    /// use tokio::net::TcpStream;
    ///
    /// let connect = Connect::callback(|host, port| async move {
    ///     let stream = TcpStream::connect((host, port)).await?;
    ///     stream.set_nodelay(true)?;
    ///     Ok(Box::new(stream) as Box<dyn Socket>)
    /// });
    /// ```
    pub fn callback<F, R>(connect: F) -> Self
    where
        F: Fn(String, u16) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Box<dyn Socket>>> + Send + 'static,
    {
        Self::Callback(Arc::new(move |host, port| Box::pin(connect(host, port))))
    }

    pub(super) async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Socket>> {
        match self {
            Self::Direct => Ok(Box::new(TcpStream::connect((host, port)).await?)),
            Self::HttpProxy(proxy) => Ok(Box::new(proxy.connect(host, port).await?)),
            Self::Callback(connect) => connect(host.to_owned(), port).await,
        }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("Direct"),
            Self::HttpProxy(proxy) => proxy.fmt(f),
            Self::Callback(_) => f.write_str("Callback(..)"),
        }
    }
}

/// An HTTP proxy that tunnels by `CONNECT`.
#[derive(Clone)]
pub struct HttpProxy {
    host: String,
    port: u16,
    authorization: Option<Arc<Zeroizing<String>>>,
}

impl HttpProxy {
    /// A proxy at this host and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, authorization: None }
    }

    /// Authenticates with name and password (Basic).
    #[must_use]
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        let plain = Zeroizing::new(format!("{user}:{password}"));
        let header = format!("Basic {}", STANDARD.encode(plain.as_bytes()));
        self.authorization = Some(Arc::new(Zeroizing::new(header)));
        self
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let target = authority(host, port);
        let mut request =
            Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;

        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n\r\n") {
            if reply.len() == MAX_PROXY_REPLY {
                return Err(io::Error::other("the HTTP proxy's answer has no end"));
            }
            // Byte by byte: what follows the empty line belongs to the key service.
            reply.push(stream.read_u8().await?);
        }
        match status(&reply) {
            Some(200..=299) => Ok(stream),
            Some(status) => Err(io::Error::other(format!(
                "the HTTP proxy refused to connect to {target} with status {status}"
            ))),
            None => Err(io::Error::other("the HTTP proxy does not speak HTTP")),
        }
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Host and port as they stand in a request: an IPv6 address in brackets (RFC 3986, 3.2.2).
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn status(reply: &[u8]) -> Option<u16> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(reply) {
        Ok(httparse::Status::Complete(_)) => response.code,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn proxy(answer: &'static [u8]) -> (HttpProxy, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (HttpProxy::new("127.0.0.1", port), served)
    }

    #[tokio::test]
    async fn the_proxy_is_asked_for_the_key_service_and_nothing_after_its_answer_is_eaten() {
        let (proxy, served) = proxy(b"HTTP/1.1 200 Connection established\r\n\r\nhello").await;
        let proxy = proxy.credentials("user", "secret");
        assert!(!format!("{proxy:?}").contains("secret"));
        let mut stream = proxy.connect("kms.example.com", 443).await.unwrap();
        let mut rest = [0; 5];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"hello");
        let request = served.await.unwrap();
        assert!(request.starts_with("CONNECT kms.example.com:443 HTTP/1.1\r\n"));
        assert!(request.contains("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert_eq!(authority("::1", 5696), "[::1]:5696");
        assert_eq!(authority("kms.example.com", 443), "kms.example.com:443");
    }

    #[tokio::test]
    async fn a_refusal_is_reported() {
        let (proxy, _served) = proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        let error = proxy.connect("kms.example.com", 443).await.unwrap_err();
        assert!(error.to_string().contains("status 407"));
    }
}
