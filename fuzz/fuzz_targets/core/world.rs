//! A vault with one key, and answers to every question.
#![allow(dead_code, reason = "no target uses all of it")]

use std::sync::LazyLock;
use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, RawDocument, RawDocumentBuf, rawdoc};
use fieldveil_core::{CoreError, Crypt, DataKeyOptions, Env, QueryAnalysis, Step};
use fieldveil_crypto::{Random, RandomError};

/// Counts up. Constant bytes would not do: draws in a range reject some of them for ever.
#[derive(Default)]
pub struct Counter(u8);

impl Random for Counter {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        for byte in out {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

pub struct World {
    pub crypt: Crypt,
    pub key: RawDocumentBuf,
    pub key_id: [u8; 16],
}

/// What a target answers with; `None` leaves the question to the world.
#[derive(Default)]
pub struct Answers<'a> {
    pub collection_info: Option<&'a RawDocument>,
    pub markings: Option<&'a RawDocument>,
    pub key: Option<&'a RawDocument>,
}

impl World {
    pub fn new() -> Self {
        static KEY: LazyLock<(RawDocumentBuf, [u8; 16])> = LazyLock::new(make_key);
        let (key, key_id) = &*KEY;
        Self { crypt: make_crypt(), key: key.clone(), key_id: *key_id }
    }

    /// Drives an operation to its end.
    pub fn run(
        &self,
        begin: impl FnOnce(&Crypt, &mut Env<'_>) -> Result<Step, CoreError>,
        answers: &Answers<'_>,
    ) -> Result<RawDocumentBuf, CoreError> {
        let mut random = Counter::default();
        let mut env = env(&mut random);
        let mut step = begin(&self.crypt, &mut env)?;
        loop {
            step = match step {
                Step::CollectionInfo(mut need) => {
                    if let Some(info) = answers.collection_info {
                        need.feed(info)?;
                    }
                    need.done(&mut env)?
                }
                Step::Markings(mut need) => {
                    if let Some(reply) = answers.markings {
                        need.feed(reply, &mut env)?;
                    }
                    need.done(&mut env)?
                }
                Step::Keys(mut need) => {
                    need.feed(answers.key.unwrap_or(&self.key))?;
                    need.done(&mut env)?
                }
                Step::Credentials(need) => need.provide(&rawdoc! {}, &mut env)?,
                Step::Kms(need) => need.done(&mut env)?,
                Step::Ready(ready) => return Ok(ready.finish()),
            };
        }
    }
}

fn make_crypt() -> Crypt {
    let master = Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 96] };
    let mut builder = Crypt::builder();
    builder.kms_providers(&rawdoc! { "local": { "key": master } }).expect("providers");
    builder.query_analysis(QueryAnalysis::External);
    builder.build().expect("crypt")
}

fn make_key() -> (RawDocumentBuf, [u8; 16]) {
    let options = DataKeyOptions {
        master_key: Some(rawdoc! { "provider": "local" }),
        key_alt_names: vec!["name".to_owned()],
        ..DataKeyOptions::default()
    };
    let mut random = Counter::default();
    let step = make_crypt().create_data_key(options, &mut env(&mut random)).expect("a data key");
    let Step::Ready(ready) = step else { panic!("a local key needs nothing") };
    let key = ready.finish();
    let id = key.get_binary("_id").expect("an id").bytes;
    let key_id = id.try_into().expect("a UUID");
    (key, key_id)
}

fn env(random: &mut Counter) -> Env<'_> {
    Env::new(Duration::from_secs(1), || 1_000, random)
}

/// `{v: <binary of subtype 6>}`
pub fn wrapped(bytes: &[u8]) -> RawDocumentBuf {
    rawdoc! { "v": Binary { subtype: BinarySubtype::Encrypted, bytes: bytes.to_vec() } }
}
