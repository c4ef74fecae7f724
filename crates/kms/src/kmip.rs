//! KMIP: a binary protocol of nested tag, type, length, value items.

mod flow;
mod parser;
pub(crate) mod reply;
mod request;
mod ttlv;

pub(crate) use flow::{KmipFlow, KmipStep};
pub(crate) use parser::KmipParser;

#[cfg(test)]
pub(crate) mod tests;
