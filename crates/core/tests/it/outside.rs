//! The outside of core, in memory.

use std::time::Duration;

use bson::{Binary, RawBson, RawDocument, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use fieldveil_core::{
    CoreError, Crypt, CryptBuilder, DataKeyOptions, Env, ExplicitOptions, KeyId, Step,
};
use fieldveil_crypto::{Random, RandomError};

/// Bytes that count up: every test sees the same, and no two draws are equal.
#[derive(Default)]
pub(crate) struct Counting(u64);

impl Random for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        for byte in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 33) as u8;
        }
        Ok(())
    }
}

/// A vault, a server and a clock.
pub(crate) struct Outside {
    pub(crate) crypt: Crypt,
    pub(crate) vault: Vec<RawDocumentBuf>,
    pub(crate) collections: Vec<RawDocumentBuf>,
    /// Reply of the analysing process to everything but `isMaster`.
    pub(crate) analysis: Option<RawDocumentBuf>,
    pub(crate) wire_version: i32,
    pub(crate) now: Duration,
    pub(crate) random: Counting,
    /// What was waited for, in order.
    pub(crate) waits: Vec<&'static str>,
    /// Filters and commands that were asked, in order.
    pub(crate) asked: Vec<RawDocumentBuf>,
}

pub(crate) fn local_key() -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: vec![0x5A; 96] }
}

impl Outside {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(configure: impl FnOnce(&mut CryptBuilder)) -> Self {
        let mut builder = Crypt::builder();
        builder.kms_providers(&rawdoc! { "local": { "key": local_key() } }).unwrap();
        configure(&mut builder);
        Self {
            crypt: builder.build().unwrap(),
            vault: Vec::new(),
            collections: Vec::new(),
            analysis: None,
            wire_version: 27,
            now: Duration::from_secs(1000),
            random: Counting::default(),
            waits: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Runs one operation to its end.
    pub(crate) fn run(
        &mut self,
        begin: impl FnOnce(&Crypt, &mut Env<'_>) -> Result<Step, CoreError>,
    ) -> Result<RawDocumentBuf, CoreError> {
        self.waits.clear();
        self.asked.clear();
        let crypt = self.crypt.clone();
        let mut step = begin(&crypt, &mut self.env())?;
        loop {
            step = match step {
                Step::CollectionInfo(mut need) => {
                    self.waits.push("collection info");
                    self.asked.push(need.filter().to_owned());
                    for info in &self.collections {
                        need.feed(info)?;
                    }
                    need.done(&mut self.env())?
                }
                Step::Markings(need) => {
                    self.waits.push("markings");
                    self.asked.push(need.command().to_owned());
                    let reply = if need.command().get("isMaster").unwrap().is_some() {
                        rawdoc! { "maxWireVersion": self.wire_version }
                    } else {
                        self.analysis.clone().unwrap()
                    };
                    need.answer(&reply, &mut self.env())?
                }
                Step::Credentials(need) => {
                    self.waits.push("credentials");
                    need.provide(&rawdoc! { "local": { "key": local_key() } }, &mut self.env())?
                }
                Step::Keys(mut need) => {
                    self.waits.push("keys");
                    self.asked.push(need.filter().to_owned());
                    let filter = need.filter().to_owned();
                    for key in self.vault.iter().filter(|key| matches(&filter, key)) {
                        need.feed(key)?;
                    }
                    need.done(&mut self.env())?
                }
                Step::Kms(need) => {
                    self.waits.push("kms");
                    need.done(&mut self.env())?
                }
                Step::Ready(ready) => return Ok(ready.finish()),
            };
        }
    }

    pub(crate) fn env(&mut self) -> Env<'_> {
        Env::new(self.now, || 1_700_000_000_000, &mut self.random)
    }

    /// Makes a data key and puts it into the vault.
    pub(crate) fn make_key(&mut self, alt_names: &[&str]) -> KeyId {
        let options = DataKeyOptions {
            master_key: Some(rawdoc! { "provider": "local" }),
            key_alt_names: alt_names.iter().map(|name| (*name).to_owned()).collect(),
            key_material: None,
        };
        let key = self.run(|crypt, env| crypt.create_data_key(options, env)).unwrap();
        let id = KeyId::from_bson(key.get("_id").unwrap().unwrap()).unwrap();
        self.vault.push(key);
        id
    }

    pub(crate) fn encrypt(
        &mut self,
        message: &RawDocument,
        options: &ExplicitOptions,
    ) -> Result<RawDocumentBuf, CoreError> {
        self.run(|crypt, env| crypt.encrypt_value(message, options, env))
    }

    pub(crate) fn decrypt(&mut self, document: &RawDocument) -> Result<RawDocumentBuf, CoreError> {
        self.run(|crypt, env| crypt.decrypt(document, env))
    }

    pub(crate) fn command(&mut self, command: &RawDocument) -> Result<RawDocumentBuf, CoreError> {
        self.run(|crypt, env| crypt.encrypt_command("db", command, env))
    }
}

/// Whether the vault would give this key for a filter of core; any other filter matches all.
fn matches(filter: &RawDocument, key: &RawDocument) -> bool {
    let Ok(arms) = filter.get_array("$or") else { return true };
    let wanted = |arm: usize, field: &str| {
        let list = arms.get_document(arm).unwrap().get_document(field).unwrap();
        let items = list.get_array("$in").unwrap();
        items.into_iter().map(|item| RawBson::from(item.unwrap())).collect::<Vec<_>>()
    };
    let id = RawBson::from(key.get("_id").unwrap().unwrap());
    let names = key.get_array("keyAltNames").map(|names| {
        names.into_iter().map(|name| RawBson::from(name.unwrap())).collect::<Vec<_>>()
    });
    wanted(0, "_id").contains(&id)
        || names
            .is_ok_and(|names| wanted(1, "keyAltNames").iter().any(|wanted| names.contains(wanted)))
}

/// The binary in field `v`.
pub(crate) fn binary(document: &RawDocument) -> &[u8] {
    let binary = document.get_binary("v").unwrap();
    assert_eq!(binary.subtype, BinarySubtype::Encrypted);
    binary.bytes
}

pub(crate) fn encrypted(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Encrypted, bytes }
}

pub(crate) fn uuid(id: KeyId) -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: id.as_bytes().to_vec() }
}

/// A CSFLE marking.
pub(crate) fn marking(document: &RawDocument) -> Binary {
    let mut bytes = vec![0];
    bytes.extend_from_slice(document.as_bytes());
    encrypted(bytes)
}
