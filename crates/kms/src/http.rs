//! HTTP/1.1 as far as key services need it: one request, one reply, then the connection closes.

mod request;
mod response;

pub(crate) use request::HttpRequest;
pub(crate) use response::HttpParser;

/// Longest reply that is read, head included.
pub(crate) const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;
