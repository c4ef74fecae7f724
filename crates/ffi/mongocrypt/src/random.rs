//! Random bytes: of the operating system, in stock, or from the caller's hook.

use std::cell::RefCell;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use fieldveil_crypto::{Random, RandomError};
use zeroize::{Zeroize, Zeroizing};

/// Bytes that are fetched at once: a call of the operating system costs more than a short value.
const STOCK_BYTES: usize = 4096;

/// The operating system's generator, with a stock of bytes per thread.
///
/// Bytes are wiped as they are handed out. A stock that was copied by `fork` is never used in
/// the child: parent and child would hand out the same bytes.
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
        if out.len() > STOCK_BYTES / 16 {
            return fetch(out);
        }
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
        let generation = GENERATION.load(Ordering::Relaxed);
        let available = STOCK_BYTES - self.used;
        if available < out.len() || self.generation != generation {
            fetch(&mut *self.bytes)?;
            self.used = 0;
            self.generation = generation;
        }
        let end = self.used + out.len();
        if let Some(bytes) = self.bytes.get_mut(self.used..end) {
            out.copy_from_slice(bytes);
            bytes.zeroize();
        }
        self.used = end;
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
        StockedRandom.fill(&mut bytes).unwrap();
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
    fn bytes_that_were_handed_out_are_wiped() {
        take(16);
        STOCK.with_borrow(|stock| {
            assert!(stock.used >= 16);
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
