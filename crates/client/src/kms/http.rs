//! A small HTTP/1.1 client, for metadata services that hand out credentials, and for Vault.

use std::{io, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::connect::{Connect, Socket};

/// Credentials are a few kilobytes; more than this is no answer.
const MAX_REPLY: usize = 256 * 1024;

/// A request, with JSON as its body if it has one.
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(&'static str, Zeroizing<String>)>,
    pub(crate) body: Option<&'a str>,
    pub(crate) connect: &'a Connect,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) timeout: Duration,
}

/// A reply, whatever its status.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// The body as text, for an error message.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Request<'_> {
    pub(crate) async fn send(&self) -> io::Result<Response> {
        match tokio::time::timeout(self.timeout, self.exchange()).await {
            Ok(response) => response,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {} s", self.timeout.as_secs_f32()),
            )),
        }
    }

    async fn exchange(&self) -> io::Result<Response> {
        let mut stream = self.connect.connect(self.host, self.port).await?;
        if let Some(tls) = &self.tls {
            let name = ServerName::try_from(self.host.to_owned()).map_err(io::Error::other)?;
            let stream_tls = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
            stream = Box::new(stream_tls);
        }
        stream.write_all(self.encode().as_bytes()).await?;
        read_response(&mut stream).await
    }

    fn encode(&self) -> Zeroizing<String> {
        let body = self.body.unwrap_or_default();
        // An IPv6 address stands in brackets.
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_owned() };
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + 4);
        // Large enough at once: growing would leave copies of secrets behind.
        let capacity = self.path.len() + host.len() + headers.sum::<usize>() + body.len() + 256;
        let mut request = Zeroizing::new(String::with_capacity(capacity));
        let length = body.len().to_string();
        for text in [self.method, " ", self.path, " HTTP/1.1\r\nHost: ", &host] {
            request.push_str(text);
        }
        for text in ["\r\nConnection: close\r\nContent-Length: ", &length, "\r\n"] {
            request.push_str(text);
        }
        if self.body.is_some() {
            request.push_str("Content-Type: application/json\r\n");
        }
        for (name, value) in &self.headers {
            for text in [name, ": ", value, "\r\n"] {
                request.push_str(text);
            }
        }
        request.push_str("\r\n");
        request.push_str(body);
        request
    }
}

/// Reads up to the end that the headers name, or to the end of the connection.
async fn read_response(stream: &mut Box<dyn Socket>) -> io::Result<Response> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut chunk = Zeroizing::new([0_u8; 4096]);
    loop {
        let read = stream.read(&mut chunk[..]).await;
        let read = match read {
            // A peer that closes TLS without saying so has still said all of a counted body.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if bytes.len() > MAX_REPLY {
            return Err(io::Error::other("the answer is too long"));
        }
        if let Some(response) = parse(&bytes, read == 0)? {
            return Ok(response);
        }
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut off"));
        }
    }
}

/// A whole response, or `None` if more bytes are needed.
fn parse(bytes: &[u8], at_end: bool) -> io::Result<Option<Response>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let start = match response.parse(bytes).map_err(io::Error::other)? {
        httparse::Status::Complete(start) => start,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or_default();
    let body = bytes.get(start..).unwrap_or_default();
    let header =
        |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let complete = |body: Vec<u8>| Ok(Some(Response { status, body: Zeroizing::new(body) }));
    if header("Transfer-Encoding").is_some_and(|h| h.value.eq_ignore_ascii_case(b"chunked")) {
        return match dechunk(body)? {
            Some(body) => complete(body),
            None => Ok(None),
        };
    }
    let length = match header("Content-Length") {
        Some(header) => {
            let length = std::str::from_utf8(header.value).ok().and_then(|v| v.trim().parse().ok());
            Some(length.ok_or_else(|| io::Error::other("the answer has no proper length"))?)
        }
        None => None,
    };
    match length {
        Some(length) => match body.get(..length) {
            Some(body) => complete(body.to_vec()),
            None => Ok(None),
        },
        None if at_end => complete(body.to_vec()),
        None => Ok(None),
    }
}

fn dechunk(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(io::Error::other("the answer has a broken chunk")),
        };
        if size == 0 {
            return Ok(Some(body));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let Some(chunk) = end.and_then(|end| rest.get(start..end)) else { return Ok(None) };
        body.extend_from_slice(chunk);
        // The chunk is followed by CRLF.
        match rest.get(start + chunk.len() + 2..) {
            Some(more) => rest = more,
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &[u8], at_end: bool) -> Option<Vec<u8>> {
        parse(bytes, at_end).unwrap().map(|response| response.body.to_vec())
    }

    #[test]
    fn every_prefix_of_a_counted_or_chunked_answer_waits_for_more() {
        let counted: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked: &[u8] =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        for whole in [counted, chunked] {
            assert_eq!(body(whole, false).as_deref(), Some(b"hello".as_slice()));
        }
        for end in 0..counted.len() {
            assert_eq!(body(&counted[..end], false), None);
        }
        // The last CRLFs of a chunked answer carry nothing.
        for end in 0..chunked.len() - 4 {
            assert_eq!(body(&chunked[..end], false), None, "{end}");
        }
    }

    #[test]
    fn an_uncounted_answer_ends_with_the_connection() {
        let answer = b"HTTP/1.1 404 Not Found\r\n\r\nno";
        assert_eq!(body(answer, false), None);
        assert_eq!(body(answer, true).as_deref(), Some(b"no".as_slice()));
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(parse(b"\x16\x03\x01\x02\x00", false).is_err());
    }
}
