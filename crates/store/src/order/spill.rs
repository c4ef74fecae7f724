//! Sorted runs of rows in a temporary file, and merging them.
//!
//! All runs are in one file, one after the other. The file has no name while it is used, so that
//! it is gone with the process, however that ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bson::raw::RawDocumentBuf;

use super::Row;
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::storage;

/// How much is read at a time.
pub(super) const CHUNK: usize = 64 * 1024;

/// The bytes before a row's key: number, record, and the lengths of key and document.
const HEADER: usize = 24;

/// Runs that are written.
pub(super) struct Runs {
    file: BufWriter<File>,
    written: u64,
    runs: Vec<Run>,
}

/// The part of a run that is not yet read.
struct Run {
    offset: u64,
    end: u64,
    buffer: Vec<u8>,
    /// How much of the buffer is used up.
    used: usize,
}

impl Runs {
    pub(super) fn create(directory: &Path) -> Result<Self> {
        let file = storage::temporary_file(directory).map_err(failed)?;
        Ok(Self { file: BufWriter::with_capacity(CHUNK, file), written: 0, runs: Vec::new() })
    }

    /// Appends a run of rows in order.
    pub(super) fn write(&mut self, rows: Vec<Row>) -> Result<()> {
        let offset = self.written;
        for row in rows {
            self.written += write_row(&mut self.file, &row).map_err(failed)?;
        }
        self.runs.push(Run { offset, end: self.written, buffer: Vec::new(), used: 0 });
        Ok(())
    }

    /// The rows of all runs in order.
    pub(super) fn merge(self) -> Result<Merge> {
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        let mut merge = Merge { file, runs: self.runs, heads: BinaryHeap::new() };
        for run in 0..merge.runs.len() {
            merge.advance(run)?;
        }
        Ok(merge)
    }
}

/// Runs that are being merged.
pub(super) struct Merge {
    file: File,
    runs: Vec<Run>,
    /// The next row of each run, with the run it is from.
    heads: BinaryHeap<Reverse<(Row, usize)>>,
}

impl Merge {
    fn advance(&mut self, run: usize) -> Result<()> {
        let Some(reader) = self.runs.get_mut(run) else { return Ok(()) };
        if let Some(row) = reader.next(&mut self.file)? {
            self.heads.push(Reverse((row, run)));
        }
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((row, run)) = self.heads.pop()?;
        Some(self.advance(run).map(|()| row))
    }
}

impl Run {
    fn next(&mut self, file: &mut File) -> Result<Option<Row>> {
        if self.used == self.buffer.len() && self.offset == self.end {
            return Ok(None);
        }
        let header = self.take(file, HEADER).map_err(failed)?;
        let header: [u8; HEADER] = header.try_into().map_err(|_| cut_off())?;
        let [number, record, lengths] = words(header);
        let length = |bits: u64| usize::try_from(bits & 0xFFFF_FFFF).map_err(|_| cut_off());
        let key = self.take(file, length(lengths >> 32)?).map_err(failed)?;
        let document = self.take(file, length(lengths)?).map_err(failed)?;
        let document = RawDocumentBuf::from_bytes(document)?;
        Ok(Some(Row { key, number, record, document }))
    }

    /// The next `length` bytes of the run.
    fn take(&mut self, file: &mut File, length: usize) -> io::Result<Vec<u8>> {
        if self.buffer.len() - self.used < length {
            self.buffer.drain(..self.used);
            self.used = 0;
            let missing = length - self.buffer.len();
            let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
            let wanted = missing.max(CHUNK).min(left);
            let filled = self.buffer.len();
            self.buffer.resize(filled + wanted, 0);
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_exact(self.buffer.get_mut(filled..).unwrap_or_default())?;
            self.offset += u64::try_from(wanted).unwrap_or(0);
        }
        let end = self.used + length;
        let taken = self.buffer.get(self.used..end);
        let taken = taken.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec();
        self.used = end;
        Ok(taken)
    }
}

fn write_row(out: &mut impl Write, row: &Row) -> io::Result<u64> {
    let document = row.document.as_bytes();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
    out.write_all(&row.number.to_le_bytes())?;
    out.write_all(&row.record.to_le_bytes())?;
    out.write_all(&length(document)?.to_le_bytes())?;
    out.write_all(&length(&row.key)?.to_le_bytes())?;
    out.write_all(&row.key)?;
    out.write_all(document)?;
    u64::try_from(HEADER + row.key.len() + document.len()).map_err(io::Error::other)
}

fn words(header: [u8; HEADER]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(header.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

pub(super) fn cut_off() -> StoreError {
    StoreError::internal("the temporary file of an operation is cut off")
}

pub(super) fn failed(error: io::Error) -> StoreError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::OUT_OF_DISK_SPACE,
        _ => Code::INTERNAL_ERROR,
    };
    StoreError::new(code, format!("the temporary file of an operation failed: {error}"))
}
