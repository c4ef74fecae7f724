//! MongoDB wire protocol framing and an async listener.
#![forbid(unsafe_code)]
