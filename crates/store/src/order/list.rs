//! A list of documents in a temporary file, of which any can be read.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bson::raw::{RawDocument, RawDocumentBuf};

use super::spill::{CHUNK, cut_off, failed};
use crate::error::Result;
use crate::storage;

/// A list that is being written.
pub(crate) struct ListWriter {
    file: BufWriter<File>,
    blocks: Vec<Block>,
    len: usize,
}

/// A list that is written. What was read is not kept.
pub(crate) struct List {
    file: File,
    blocks: Vec<Block>,
    len: usize,
}

/// Documents that are read together, one after the other as they are.
struct Block {
    /// The index of the first document.
    first: usize,
    offset: u64,
    bytes: usize,
}

impl ListWriter {
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        let file = storage::temporary_file(directory).map_err(failed)?;
        Ok(Self { file: BufWriter::with_capacity(CHUNK, file), blocks: Vec::new(), len: 0 })
    }

    pub(crate) fn push(&mut self, document: &RawDocument) -> Result<()> {
        let bytes = document.as_bytes();
        self.file.write_all(bytes).map_err(failed)?;
        match self.blocks.last_mut() {
            Some(block) if block.bytes < CHUNK => block.bytes += bytes.len(),
            last => {
                let offset = last.map_or(0, |last| last.offset + as_offset(last.bytes));
                self.blocks.push(Block { first: self.len, offset, bytes: bytes.len() });
            }
        }
        self.len += 1;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<List> {
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(List { file, blocks: self.blocks, len: self.len })
    }
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The documents around an index, and the index of the first of them.
    ///
    /// # Errors
    /// Those of the file, and an index beyond the end.
    pub(crate) fn around(&self, index: usize) -> Result<(usize, Vec<RawDocumentBuf>)> {
        let after = self.blocks.partition_point(|block| block.first <= index);
        let block = after.checked_sub(1).and_then(|at| self.blocks.get(at)).ok_or_else(cut_off)?;
        let bytes = self.read(block).map_err(failed)?;
        let mut documents = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some(length) = rest.first_chunk() {
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut_off())?;
            let (document, after) = rest.split_at_checked(length).ok_or_else(cut_off)?;
            documents.push(RawDocumentBuf::from_bytes(document.to_vec())?);
            rest = after;
        }
        Ok((block.first, documents))
    }

    fn read(&self, block: &Block) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; block.bytes];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(block.offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn as_offset(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn any_document_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = ListWriter::create(directory.path()).unwrap();
        let document = |n: usize| rawdoc! { "n": n as i64, "pad": "x".repeat(n * 37 % 5000) };
        for n in 0..200 {
            writer.push(&document(n)).unwrap();
        }
        let list = writer.finish().unwrap();
        assert_eq!((list.len(), list.blocks.len() > 3), (200, true));
        for n in (0..200).rev() {
            let (first, found) = list.around(n).unwrap();
            assert_eq!(found[n - first], document(n));
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
