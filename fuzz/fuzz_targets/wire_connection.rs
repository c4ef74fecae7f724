//! Any bytes a peer may send, compressed messages included.
#![no_main]

use fieldveil_wire::Connection;
use libfuzzer_sys::fuzz_target;
use tokio::io::AsyncWriteExt;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("no I/O is needed");
    runtime.block_on(async {
        let (mut sender, receiver) = tokio::io::duplex(bytes.len().max(1));
        sender.write_all(bytes).await.expect("the buffer has room for all");
        drop(sender);
        let mut connection = Connection::new(receiver);
        loop {
            match connection.read().await {
                Ok(Some(_)) => {}
                Err(error) if error.is_recoverable() => {}
                Ok(None) | Err(_) => break,
            }
        }
    });
});
