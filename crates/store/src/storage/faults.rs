//! A disk for tests that fails, or loses its power, at a chosen moment.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::Medium;
use super::test_medium::OpenBackend;

/// What a disk does at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// That operation says that the disk is full; later ones work.
    Full,
    /// From then on nothing works.
    PowerCut,
}

/// A disk that knows what was flushed.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    flushed: Vec<u8>,
    /// Writes since the last flush, in order.
    pending: Vec<Write>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    is_dead: bool,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Write {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bytes(offset, data) => bytes[*offset..offset + data.len()].copy_from_slice(data),
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }
}

impl Disk {
    /// Fails at the `n`th write, flush or change of length from now.
    pub(crate) fn fail_at(&mut self, n: u64, fault: Fault) {
        self.operations = 0;
        self.fault = Some((n, fault));
    }

    /// How many operations there were since [`Self::fail_at`], and whether one failed.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// The power comes back. Of what was not flushed, `keep` says which writes arrived.
    pub(crate) fn restart(&mut self, mut keep: impl FnMut() -> bool) {
        for write in std::mem::take(&mut self.pending) {
            match write {
                // A file's length may be there without the bytes, not the bytes without it.
                Write::Length(_) => write.apply(&mut self.flushed),
                Write::Bytes(..) if keep() => write.apply(&mut self.flushed),
                Write::Bytes(..) => {}
            }
        }
        self.is_dead = false;
        self.fault = None;
    }

    fn contents(&self) -> Vec<u8> {
        let mut bytes = self.flushed.clone();
        for write in &self.pending {
            write.apply(&mut bytes);
        }
        bytes
    }

    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.is_dead {
            return Err(io::Error::other("no power"));
        }
        match self.fault {
            Some((n, Fault::Full)) if n == self.operations => {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            Some((n, Fault::PowerCut)) if n == self.operations => {
                self.is_dead = true;
                Err(io::Error::other("no power"))
            }
            _ => Ok(()),
        }
    }
}

/// One opening of the disk.
#[derive(Debug)]
struct Handle {
    disk: Arc<Mutex<Disk>>,
    /// What reading sees; kept so that reading need not apply all writes.
    view: Mutex<Vec<u8>>,
}

/// A medium on `disk`.
pub(crate) fn medium(disk: &Arc<Mutex<Disk>>) -> Medium {
    let disk = Arc::clone(disk);
    Medium::Test(OpenBackend(Arc::new(move || {
        let view = Mutex::new(disk.lock().unwrap().contents());
        Box::new(Handle { disk: Arc::clone(&disk), view })
    })))
}

impl StorageBackend for Handle {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.view.lock().unwrap().len().try_into().unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        if self.disk.lock().unwrap().is_dead {
            return Err(io::Error::other("no power"));
        }
        let offset = usize::try_from(offset).unwrap();
        let view = self.view.lock().unwrap();
        let bytes = view
            .get(offset..offset + out.len())
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.change(Write::Length(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut disk = self.disk.lock().unwrap();
        disk.step()?;
        disk.flushed = disk.contents();
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.change(Write::Bytes(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}

impl Handle {
    fn change(&self, write: Write) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        disk.step()?;
        write.apply(&mut self.view.lock().unwrap());
        disk.pending.push(write);
        Ok(())
    }
}
