//! Requests to and replies from key management services, as bytes.
#![forbid(unsafe_code)]
