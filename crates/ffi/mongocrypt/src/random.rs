//! Random bytes: of the operating system, in stock, or from the caller's hook.

use std::cell::RefCell;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use fieldveil_crypto::{Random, RandomError, Secret, expand};
use zeroize::{Zeroizing, zeroize_bytes};

/// Bytes that are made at once: a call of the operating system costs more than a short value.
const STOCK_BYTES: usize = 4096;

/// The operating system's generator, with a stock of bytes per thread for what is no key.
///
/// A stock is expanded from 32 bytes of the operating system's, which are then wiped. Bytes are
/// wiped as they are handed out. A stock that was copied by `fork` is never used in the child:
/// parent and child would hand out the same bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StockedRandom;

struct Stock {
    bytes: Zeroizing<[u8; STOCK_BYTES]>,
    used: usize,
    generation: u64,
}

/// Counts forks: a stock of another generation was fetched by the parent.
static GENERATION: AtomicU64 = AtomicU64::new(0);
static WATCH_FORKS: Once = Once::new();

thread_local! {
    static STOCK: RefCell<Stock> = RefCell::new(Stock {
        bytes: Zeroizing::new([0; STOCK_BYTES]),
        used: STOCK_BYTES,
        generation: 0,
    });
}

impl Random for StockedRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        fetch(out)
    }

    fn fill_nonces(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        let from_stock = STOCK.try_with(|stock| match stock.try_borrow_mut() {
            Ok(mut stock) => stock.take(out),
            Err(_) => fetch(out),
        });
        // A thread that is ending has no stock any more.
        from_stock.unwrap_or_else(|_| fetch(out))
    }
}

impl Stock {
    fn take(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        watch_forks();
        if self.generation != GENERATION.load(Ordering::Relaxed) {
            self.refill()?;
        }
        // Most often it is one initialization vector.
        if let (Ok(out), Some(from)) = (<&mut [u8; 16]>::try_from(&mut *out), self.next()) {
            *out = *from;
            zeroize_bytes(from);
            return Ok(());
        }
        let mut rest = out;
        while !rest.is_empty() {
            if self.used == STOCK_BYTES {
                self.refill()?;
            }
            let available = self.bytes.get_mut(self.used..).unwrap_or_default();
            let count = rest.len().min(available.len());
            let (to, after) = rest.split_at_mut(count);
            let (from, _) = available.split_at_mut(count);
            to.copy_from_slice(from);
            zeroize_bytes(from);
            self.used += count;
            rest = after;
        }
        Ok(())
    }

    /// The next sixteen bytes, if there are as many.
    fn next(&mut self) -> Option<&mut [u8; 16]> {
        let next = self.bytes.get_mut(self.used..)?.first_chunk_mut()?;
        self.used += next.len();
        Some(next)
    }

    fn refill(&mut self) -> Result<(), RandomError> {
        let generation = GENERATION.load(Ordering::Relaxed);
        expand(&Secret::fill(|seed| fetch(seed))?, &mut *self.bytes);
        self.used = 0;
        self.generation = generation;
        Ok(())
    }
}

fn fetch(out: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(out).map_err(|error| RandomError::new(error.to_string()))
}

#[cfg(unix)]
fn watch_forks() {
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    WATCH_FORKS.call_once(|| {
        // SAFETY: the handler only adds to an atomic counter, which is allowed after a fork.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

#[cfg(not(unix))]
fn watch_forks() {
    WATCH_FORKS.call_once(|| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        StockedRandom.fill_nonces(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn no_bytes_are_handed_out_twice() {
        let all: Vec<_> = (0..500).map(|_| take(16)).collect();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_ne!(take(5000), vec![0; 5000]);
    }

    #[test]
    fn more_than_a_stock_is_filled_to_its_end() {
        let bytes = take(2 * STOCK_BYTES + 100);
        let zeros = bytes.iter().filter(|byte| **byte == 0).count();
        assert!(zeros < 100);
        assert_ne!(bytes[..STOCK_BYTES], bytes[STOCK_BYTES..2 * STOCK_BYTES]);
        assert_ne!(bytes[2 * STOCK_BYTES..], [0; 100]);
    }

    #[test]
    fn keys_do_not_come_from_the_stock() {
        take(16);
        let used = STOCK.with_borrow(|stock| stock.used);
        StockedRandom.fill(&mut [0; 96]).unwrap();
        assert_eq!(STOCK.with_borrow(|stock| stock.used), used);
    }

    #[test]
    fn bytes_that_were_handed_out_are_wiped() {
        take(16);
        STOCK.with_borrow(|stock| {
            assert!(stock.used >= 16);
            assert!(stock.bytes[stock.used..].iter().any(|byte| *byte != 0));
            assert!(stock.bytes[..stock.used].iter().all(|byte| *byte == 0));
        });
    }

    #[test]
    fn a_stock_of_the_parent_is_not_used_in_the_child() {
        take(16);
        let rest = STOCK.with_borrow(|stock| stock.bytes[stock.used..].to_vec());
        GENERATION.fetch_add(1, Ordering::Relaxed);
        let next = take(16);
        assert_ne!(next, rest[..16]);
    }
}
