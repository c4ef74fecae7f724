//! Client-side field level encryption for MongoDB-compatible databases, over the official driver.
#![forbid(unsafe_code)]
