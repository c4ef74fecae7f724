//! Records that are only read forwards.
//!
//! The storage has one function for the next row of a range and for the last one, which is compiled
//! once for each type of table. Where only the next one is ever asked for, the compiler can build it
//! into the loop over the rows: a document takes 49 ns then instead of 70. So the table that a scan
//! of all records reads has a type of its own.

use std::marker::PhantomData;

use redb::{TypeName, Value};

/// Values as those of `V`, in a table that is only read forwards.
#[derive(Debug)]
pub(crate) struct Forward<V>(PhantomData<V>);

impl<V: Value> Value for Forward<V> {
    type SelfType<'a>
        = V::SelfType<'a>
    where
        Self: 'a;
    type AsBytes<'a>
        = V::AsBytes<'a>
    where
        Self: 'a;

    fn fixed_width() -> Option<usize> {
        V::fixed_width()
    }

    fn from_bytes<'a>(data: &'a [u8]) -> Self::SelfType<'a>
    where
        Self: 'a,
    {
        V::from_bytes(data)
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a Self::SelfType<'b>) -> Self::AsBytes<'a>
    where
        Self: 'b,
    {
        V::as_bytes(value)
    }

    fn type_name() -> TypeName {
        V::type_name()
    }
}
