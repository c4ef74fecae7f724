//! MongoDB commands over the embedded store; and mongocryptd.
#![forbid(unsafe_code)]
