//! Messages over a byte stream.

use std::io::{self, IoSlice};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::{
    compression::{self, Compressor},
    error::WireError,
    header::{Header, OpCode},
    limits::HEADER_LEN,
    message::Message,
};

const READ_BUFFER_LEN: usize = 16 * 1024;

/// Most bytes that are reserved because a header announces them; the rest grows as bytes come.
const MAX_RESERVED_LEN: usize = 1024 * 1024;

/// Buffers above this length are given back after use.
const MAX_KEPT_LEN: usize = 256 * 1024;

/// One end of a connection that speaks the protocol.
#[derive(Debug)]
pub struct Connection<S> {
    stream: BufReader<S>,
    scratch: Vec<u8>,
}

/// A message and how it was packed, which is how its answer may be packed.
#[derive(Debug)]
pub struct Received {
    /// The message, unpacked.
    pub message: Message,
    /// The compressor of an `OP_COMPRESSED`.
    pub compressor: Option<Compressor>,
    /// Bytes on the wire, header included.
    pub wire_len: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Speaks over `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::with_capacity(READ_BUFFER_LEN, stream), scratch: Vec::new() }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        self.stream.get_ref()
    }

    /// Waits for the next message; `None` when the peer closed between two messages.
    ///
    /// Not cancel safe: a dropped call may have taken half of a message.
    ///
    /// # Errors
    /// Anything but [`WireError::is_recoverable`] ends the connection.
    pub async fn read(&mut self) -> Result<Option<Received>, WireError> {
        let Some(head) = self.read_header().await? else { return Ok(None) };
        let header = Header::decode(&head)?;
        self.read_body(header.body_len()).await?;
        let received = match header.op_code {
            OpCode::Compressed => {
                let (inner, body, compressor) = compression::unpack(&header, &self.scratch)?;
                (Message::decode(&inner, &body)?, Some(compressor))
            }
            _ => (Message::decode(&header, &self.scratch)?, None),
        };
        self.trim();
        let (message, compressor) = received;
        Ok(Some(Received { message, compressor, wire_len: header.message_len }))
    }

    /// Waits until the peer has closed its end. Waits for ever when it sent something before that,
    /// which [`Self::read`] then finds.
    ///
    /// Cancel safe.
    pub async fn closed(&mut self) {
        if self.stream.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
            std::future::pending::<()>().await;
        }
    }

    /// Sends `message`, packed when a compressor is given; says how many bytes that took.
    ///
    /// # Errors
    /// `Io`, or `MessageLength` for a message above the limit, of which nothing is sent.
    pub async fn write(
        &mut self,
        message: &Message,
        compressor: Option<Compressor>,
    ) -> Result<usize, WireError> {
        self.scratch.clear();
        if compressor.is_none()
            && let Some(body) = message.encode_head(&mut self.scratch)?
        {
            let stream = self.stream.get_mut();
            write_both(stream, &self.scratch, body).await?;
            stream.flush().await?;
            return Ok(self.scratch.len() + body.len());
        }
        message.encode(&mut self.scratch)?;
        if let Some(compressor) = compressor {
            self.scratch = compression::pack(&self.scratch, compressor)?;
        }
        let stream = self.stream.get_mut();
        stream.write_all(&self.scratch).await?;
        stream.flush().await?;
        let len = self.scratch.len();
        self.trim();
        Ok(len)
    }

    /// Flushes and ends the writing side.
    ///
    /// # Errors
    /// `Io` when the peer is gone already.
    pub async fn close(&mut self) -> Result<(), WireError> {
        Ok(self.stream.get_mut().shutdown().await?)
    }

    async fn read_header(&mut self) -> Result<Option<[u8; HEADER_LEN]>, WireError> {
        let mut head = [0; HEADER_LEN];
        let mut filled = 0;
        while filled < HEADER_LEN {
            match self.stream.read(&mut head[filled..]).await? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(WireError::Malformed { part: "header" }),
                count => filled += count,
            }
        }
        Ok(Some(head))
    }

    async fn read_body(&mut self, len: usize) -> Result<(), WireError> {
        self.scratch.clear();
        self.scratch.reserve(len.min(MAX_RESERVED_LEN));
        let limit = u64::try_from(len).unwrap_or(u64::MAX);
        (&mut self.stream).take(limit).read_to_end(&mut self.scratch).await?;
        if self.scratch.len() == len {
            Ok(())
        } else {
            Err(WireError::Malformed { part: "message body" })
        }
    }

    fn trim(&mut self) {
        if self.scratch.capacity() > MAX_KEPT_LEN {
            self.scratch = Vec::new();
        }
    }
}

/// Sends `head`, then `tail`, without putting them together first.
async fn write_both(
    stream: &mut (impl AsyncWrite + Unpin),
    head: &[u8],
    tail: &[u8],
) -> io::Result<()> {
    let mut written = 0;
    while written < head.len() {
        let parts = [IoSlice::new(&head[written..]), IoSlice::new(tail)];
        match stream.write_vectored(&parts).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => written += count,
        }
    }
    stream.write_all(&tail[written - head.len()..]).await
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::{OpMsg, Operation};

    fn ping() -> Message {
        let operation = Operation::Msg(OpMsg::new(rawdoc! { "ping": 1, "$db": "admin" }));
        Message { request_id: 1, response_to: 0, operation }
    }

    #[tokio::test]
    async fn messages_come_out_as_they_went_in() {
        let (left, right) = tokio::io::duplex(7);
        let mut sender = Connection::new(left);
        let mut receiver = Connection::new(right);
        let all = [None, Some(Compressor::Snappy), Some(Compressor::Zlib)];
        let sending = async {
            for compressor in all {
                sender.write(&ping(), compressor).await.unwrap();
            }
            sender.close().await.unwrap();
        };
        let receiving = async {
            for compressor in all {
                let received = receiver.read().await.unwrap().unwrap();
                assert_eq!(received.message, ping());
                assert_eq!(received.compressor, compressor);
            }
            assert!(receiver.read().await.unwrap().is_none());
        };
        tokio::join!(sending, receiving);
    }

    #[tokio::test]
    async fn a_long_body_is_sent_as_a_short_one() {
        for len in [16 * 1024 - 100, 16 * 1024, 300_000] {
            let body = rawdoc! { "text": "x".repeat(len) };
            let operation = Operation::Msg(OpMsg::new(body));
            let message = Message { request_id: 1, response_to: 2, operation };
            let mut encoded = Vec::new();
            message.encode(&mut encoded).unwrap();
            let (left, mut right) = tokio::io::duplex(1000);
            let mut sender = Connection::new(left);
            let sending = async {
                assert_eq!(sender.write(&message, None).await.unwrap(), encoded.len());
                sender.close().await.unwrap();
            };
            let mut received = Vec::new();
            let (_, count) = tokio::join!(sending, right.read_to_end(&mut received));
            assert_eq!(count.unwrap(), encoded.len());
            assert_eq!(received, encoded);
        }
    }

    #[tokio::test]
    async fn every_truncation_is_an_error() {
        let mut bytes = Vec::new();
        ping().encode(&mut bytes).unwrap();
        for len in 1..bytes.len() {
            let (mut left, right) = tokio::io::duplex(1024);
            left.write_all(&bytes[..len]).await.unwrap();
            drop(left);
            let error = Connection::new(right).read().await.unwrap_err();
            assert!(matches!(error, WireError::Malformed { .. }), "{len}: {error}");
        }
    }

    #[tokio::test]
    async fn a_closed_peer_is_noticed_and_what_it_sent_is_kept() {
        let (left, right) = tokio::io::duplex(1024);
        let (mut sender, mut receiver) = (Connection::new(left), Connection::new(right));
        let moment = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, receiver.closed()).await.is_err());
        sender.write(&ping(), None).await.unwrap();
        assert!(tokio::time::timeout(moment, receiver.closed()).await.is_err());
        drop(sender);
        assert_eq!(receiver.read().await.unwrap().unwrap().message, ping());
        receiver.closed().await;
        assert!(receiver.read().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn reading_goes_on_after_an_invalid_document() {
        let mut bad = Vec::new();
        ping().encode(&mut bad).unwrap();
        bad[25] = 0x55;
        let (mut left, right) = tokio::io::duplex(1024);
        left.write_all(&bad).await.unwrap();
        let mut good = Vec::new();
        ping().encode(&mut good).unwrap();
        left.write_all(&good).await.unwrap();
        let mut receiver = Connection::new(right);
        assert!(receiver.read().await.unwrap_err().is_recoverable());
        assert_eq!(receiver.read().await.unwrap().unwrap().message, ping());
    }
}
