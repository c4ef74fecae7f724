//! Memory of objects that callers make and destroy several times in each operation.
//!
//! A thread keeps some of it for the next objects of the same type, which then cost no allocation.
//! What an object held is dropped when it is destroyed, by whichever thread; only its own bytes stay.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr;
use std::thread::LocalKey;

/// How many objects of a type a thread keeps the memory of.
const KEPT: usize = 4;

/// The memory that one thread keeps for objects of a type.
pub(crate) struct Spares<T> {
    count: Cell<usize>,
    /// The first `count` come from `Box`, and nobody else has them.
    blocks: [Cell<*mut MaybeUninit<T>>; KEPT],
}

impl<T> Spares<T> {
    pub(crate) const fn new() -> Self {
        Self { count: Cell::new(0), blocks: [const { Cell::new(ptr::null_mut()) }; KEPT] }
    }

    fn take(&self) -> Option<Box<MaybeUninit<T>>> {
        let last = self.count.get().checked_sub(1)?;
        let block = self.blocks.get(last)?.get();
        self.count.set(last);
        // SAFETY: it is one of the first `count`, and now none of them any more.
        Some(unsafe { Box::from_raw(block) })
    }

    fn keep(&self, block: Box<MaybeUninit<T>>) {
        let count = self.count.get();
        if let Some(place) = self.blocks.get(count) {
            place.set(Box::into_raw(block));
            self.count.set(count + 1);
        }
    }

    fn has(&self, object: *const T) -> bool {
        self.blocks.iter().take(self.count.get()).any(|block| ptr::eq(block.get().cast(), object))
    }
}

impl<T> Drop for Spares<T> {
    fn drop(&mut self) {
        while self.take().is_some() {}
    }
}

/// Makes an object, in memory that the thread has kept if there is any. It is made there, so that it is
/// not moved.
pub(crate) fn make<T>(spares: &'static LocalKey<Spares<T>>, object: impl FnOnce() -> T) -> Box<T> {
    // A thread that is ending keeps nothing any more.
    let block = spares.try_with(Spares::take).ok().flatten();
    Box::write(block.unwrap_or_else(Box::new_uninit), object())
}

/// Destroys an object. C that hands one over twice breaks the contract; if this thread has just
/// destroyed it, it is left alone all the same, so that it does not become two.
pub(crate) fn destroy<T>(spares: &'static LocalKey<Spares<T>>, object: Box<T>) {
    let object = Box::into_raw(object);
    let retired = spares.try_with(|spares| {
        if !spares.has(object) {
            // SAFETY: it came from `Box`, and its memory is as large as its type.
            spares.keep(unsafe {
                object.drop_in_place();
                Box::from_raw(object.cast())
            });
        }
    });
    if retired.is_err() {
        // SAFETY: it came from `Box`, and nothing was done with it.
        drop(unsafe { Box::from_raw(object) });
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    thread_local! {
        static SPARES: Spares<Object> = const { Spares::new() };
    }

    struct Object(#[expect(dead_code, reason = "held")] Rc<u8>);

    fn object(held: &Rc<u8>) -> Box<Object> {
        make(&SPARES, || Object(Rc::clone(held)))
    }

    #[test]
    fn memory_is_used_again_and_what_it_held_is_dropped() {
        let held = Rc::new(7);
        let first = object(&held);
        let place = ptr::from_ref(&*first);
        destroy(&SPARES, first);
        assert_eq!(Rc::strong_count(&held), 1);
        let second = object(&held);
        assert_eq!(ptr::from_ref(&*second), place);
        destroy(&SPARES, second);
    }

    #[test]
    fn more_than_is_kept_is_given_back() {
        let held = Rc::new(7);
        let objects: Vec<_> = (0..2 * KEPT).map(|_| object(&held)).collect();
        for object in objects {
            destroy(&SPARES, object);
        }
        assert_eq!(Rc::strong_count(&held), 1);
        assert_eq!(SPARES.with(|spares| spares.count.get()), KEPT);
    }

    #[test]
    fn an_object_may_be_destroyed_by_another_thread() {
        thread_local! {
            static SPARES: Spares<u8> = const { Spares::new() };
        }
        let number = make(&SPARES, || 7);
        std::thread::spawn(|| destroy(&SPARES, number)).join().unwrap();
        assert_eq!(SPARES.with(|spares| spares.count.get()), 0);
    }
}
