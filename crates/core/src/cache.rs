//! What is kept between operations, shared by all that run on one `Crypt`.

mod collections;
mod keys;

pub(crate) use collections::CollectionCache;
pub(crate) use keys::KeyCache;
