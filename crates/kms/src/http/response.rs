//! Reads a reply piece by piece.

use zeroize::Zeroizing;

use super::MAX_REPLY_BYTES;

/// How much is asked for while the length of the reply is not known.
const UNKNOWN_LENGTH_BYTES: usize = 1024;

/// A reply that is no HTTP/1.1 as we understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpError {
    /// Status code, 0 if it was not read yet.
    pub(crate) status: i32,
    pub(crate) reason: String,
}

/// Reads one reply.
///
/// ```text
/// StatusLine -> Header* -> Body -> Done
///                       -> (ChunkLength -> Chunk)* -> Done
///                       -> Done                        (neither length nor chunks)
/// ```
pub(crate) struct HttpParser {
    state: State,
    /// The line that is being read, without its end.
    line: Vec<u8>,
    fed: usize,
    status: i32,
    content_length: Option<usize>,
    chunked: bool,
    body: Zeroizing<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StatusLine,
    Header,
    ChunkLength,
    /// Data of a chunk that is still to come, and whether it is the last chunk.
    Chunk {
        left: usize,
        last: bool,
    },
    /// The line end after a chunk.
    ChunkEnd {
        left: usize,
        last: bool,
    },
    Body {
        left: usize,
    },
    Done,
}

impl HttpParser {
    pub(crate) fn new() -> Self {
        Self {
            state: State::StatusLine,
            line: Vec::new(),
            fed: 0,
            status: 0,
            content_length: None,
            chunked: false,
            body: Zeroizing::new(Vec::new()),
        }
    }

    pub(crate) fn status(&self) -> i32 {
        self.status
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// How many bytes may be fed next; 0 when the reply is complete.
    pub(crate) fn wanted(&self) -> usize {
        match self.state {
            State::StatusLine | State::Header | State::ChunkLength => UNKNOWN_LENGTH_BYTES,
            State::Chunk { left, .. } => left + 2,
            State::ChunkEnd { left, .. } | State::Body { left } => left,
            State::Done => 0,
        }
    }

    /// Takes bytes of the reply.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), HttpError> {
        if bytes.len() > MAX_REPLY_BYTES - self.fed.min(MAX_REPLY_BYTES) {
            return Err(self.error("KMS response too large"));
        }
        self.fed += bytes.len();
        while !bytes.is_empty() {
            let taken = match self.state {
                State::StatusLine | State::Header | State::ChunkLength => self.feed_line(bytes)?,
                State::Chunk { left, last } => {
                    let taken = left.min(bytes.len());
                    self.body.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                    self.state = match left - taken {
                        0 => State::ChunkEnd { left: 2, last },
                        left => State::Chunk { left, last },
                    };
                    taken
                }
                State::ChunkEnd { left, last } => {
                    let expected = if left == 2 { b'\r' } else { b'\n' };
                    if bytes.first() != Some(&expected) {
                        return Err(self.error("Unexpected data after chunk."));
                    }
                    self.state = match (left, last) {
                        (2, _) => State::ChunkEnd { left: 1, last },
                        (_, true) => State::Done,
                        (_, false) => State::ChunkLength,
                    };
                    1
                }
                State::Body { left } => {
                    if bytes.len() > left {
                        return Err(self.error("Unexpected: exceeded content length"));
                    }
                    self.body.extend_from_slice(bytes);
                    self.state = match left - bytes.len() {
                        0 => State::Done,
                        left => State::Body { left },
                    };
                    bytes.len()
                }
                State::Done => return Err(self.error("Unexpected extra HTTP content")),
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes bytes up to the end of the line, and the line if it is complete.
    fn feed_line(&mut self, bytes: &[u8]) -> Result<usize, HttpError> {
        let newline = bytes.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(bytes.len(), |at| at + 1);
        self.line.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.line.ends_with(b"\r\n") {
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(line.get(..line.len() - 2).unwrap_or_default());
            self.state = self.end_line(&line)?;
        }
        Ok(taken)
    }

    fn end_line(&mut self, line: &str) -> Result<State, HttpError> {
        match self.state {
            State::StatusLine => {
                let Some(rest) = line.strip_prefix("HTTP/1.1 ") else {
                    return Err(self.error("Could not parse HTTP-Version."));
                };
                let code = rest.split(' ').next().unwrap_or_default();
                self.status = match code.parse() {
                    Ok(status) => status,
                    Err(_) => return Err(self.error("Could not parse Status-Code.")),
                };
                Ok(State::Header)
            }
            State::Header if line.is_empty() => Ok(self.start_body()),
            State::Header => {
                self.header(line)?;
                Ok(State::Header)
            }
            _ => {
                // Extensions of a chunk, after a semicolon, mean nothing to us.
                let digits = line.split(';').next().unwrap_or_default().trim_end();
                let length = match usize::from_str_radix(digits, 16) {
                    Ok(length) if length <= MAX_REPLY_BYTES && !digits.starts_with('+') => length,
                    _ => return Err(self.error("Failed to parse hex chunk length.")),
                };
                if length == 0 {
                    return Ok(State::ChunkEnd { left: 2, last: true });
                }
                Ok(State::Chunk { left: length, last: false })
            }
        }
    }

    fn header(&mut self, line: &str) -> Result<(), HttpError> {
        let Some((name, value)) = line.split_once(':') else {
            return Err(self.error("Could not parse header, no colon found."));
        };
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("content-length") && self.content_length.is_none() {
            self.content_length = match value.parse() {
                Ok(length) if length <= MAX_REPLY_BYTES => Some(length),
                _ => return Err(self.error("Could not parse Content-Length header.")),
            };
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            if value != "chunked" {
                return Err(self.error(&format!("Unsupported Transfer-Encoding: {value}")));
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn start_body(&mut self) -> State {
        match self.content_length {
            _ if self.chunked => State::ChunkLength,
            None | Some(0) => State::Done,
            Some(left) => {
                self.body.reserve_exact(left.min(64 * 1024));
                State::Body { left }
            }
        }
    }

    fn error(&self, reason: &str) -> HttpError {
        HttpError { status: self.status, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests;
