use bson::{Document, RawDocumentBuf, doc};
use proptest::prelude::*;

use super::*;
use crate::kmip::tests::{data_reply, get_reply, id_reply};
use crate::test_support::{Counting, http_reply};

/// A driver whose clock and random bytes are fixed, and its server's answers.
struct Driver {
    providers: KmsProviders,
    tokens: TokenCache,
    random: Counting,
    now: Duration,
}

impl Driver {
    fn new(providers: Document) -> Self {
        let providers = KmsProviders::parse(&raw(providers)).unwrap();
        Self {
            providers,
            tokens: TokenCache::default(),
            random: Counting(0),
            now: Duration::from_secs(1),
        }
    }

    fn advance(&mut self, jobs: &mut KmsJobs) -> Result<bool, KmsError> {
        jobs.advance(&mut KmsEnv {
            providers: &self.providers,
            tokens: &self.tokens,
            now: self.now,
            wall_clock_ms: 1_700_000_000_000,
            random: &mut self.random,
            retry: false,
            signer: None,
            hashes: None,
        })
    }

    /// Runs all rounds; `answer` sees each message and gives the reply.
    fn run(
        &mut self,
        jobs: &mut KmsJobs,
        mut answer: impl FnMut(&[u8]) -> Vec<u8>,
    ) -> Result<Vec<usize>, KmsError> {
        let mut rounds = Vec::new();
        while self.advance(jobs)? {
            rounds.push(jobs.requests().len());
            for request in jobs.requests() {
                for byte in answer(request.message()) {
                    request.feed(&[byte])?;
                }
            }
        }
        Ok(rounds)
    }
}

fn raw(document: Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(&document).unwrap()
}

fn master_key(document: Document) -> MasterKey {
    MasterKey::parse(&raw(document)).unwrap()
}

fn plain() -> Secret<96> {
    Secret::copy_from(&[5; 96])
}

fn wrapped(jobs: KmsJobs) -> (Vec<u8>, MasterKey) {
    match jobs.finish().unwrap().remove(0) {
        JobOutput::Wrapped { key_material, master_key } => (key_material, *master_key),
        JobOutput::Unwrapped(_) => panic!("not wrapped"),
    }
}

fn unwrapped(jobs: KmsJobs) -> Secret<96> {
    match jobs.finish().unwrap().remove(0) {
        JobOutput::Unwrapped(key) => key,
        JobOutput::Wrapped { .. } => panic!("not unwrapped"),
    }
}

fn local() -> Document {
    doc! { "local": { "key": "A".repeat(128) } }
}

#[test]
fn a_local_key_needs_no_round() {
    let mut driver = Driver::new(local());
    let mut jobs = KmsJobs::new();
    jobs.wrap(MasterKey::local(), plain());
    assert!(driver.run(&mut jobs, |_| panic!("no request")).unwrap().is_empty());
    let (material, key) = wrapped(jobs);
    assert_eq!((material.len(), key), (crate::WRAPPED_KEY_BYTES, MasterKey::local()));
    let mut jobs = KmsJobs::new();
    jobs.unwrap(MasterKey::local(), material);
    driver.run(&mut jobs, |_| panic!("no request")).unwrap();
    assert_eq!(unwrapped(jobs).expose(), plain().expose());
}

#[test]
fn a_local_key_that_is_another_is_noticed() {
    let mut driver = Driver::new(local());
    let mut jobs = KmsJobs::new();
    jobs.unwrap(MasterKey::local(), vec![9; 160]);
    assert_eq!(driver.advance(&mut jobs).unwrap_err().to_string(), "HMAC validation failure");
}

#[test]
fn aws_wraps_in_one_round() {
    let mut driver = Driver::new(doc! { "aws": { "accessKeyId": "a", "secretAccessKey": "b" } });
    let key = master_key(doc! { "provider": "aws", "region": "r", "key": "k" });
    let mut jobs = KmsJobs::new();
    jobs.wrap(key.clone(), plain());
    let body = format!("{{\"CiphertextBlob\":\"{}\"}}", "A".repeat(128));
    assert_eq!(driver.run(&mut jobs, |_| http_reply(200, &body)).unwrap(), [1]);
    assert_eq!(wrapped(jobs), (vec![0; 96], key.clone()));

    let mut jobs = KmsJobs::new();
    jobs.unwrap(key.clone(), vec![1; 96]);
    let body = format!("{{\"Plaintext\":\"{}\"}}", "A".repeat(127) + "=");
    driver.advance(&mut jobs).unwrap();
    jobs.requests()[0].feed(&http_reply(200, &body)).unwrap();
    assert_eq!(driver.advance(&mut jobs).unwrap_err(), KmsError::KeyLength);

    let mut jobs = KmsJobs::new();
    jobs.wrap(key, plain());
    let result = driver.run(&mut jobs, |_| http_reply(200, "{\"CiphertextBlob\":\"Zm9v\"}"));
    assert_eq!(result.unwrap_err(), KmsError::WrappedKeyTooShort);
}

fn azure() -> (Driver, MasterKey) {
    let providers = doc! { "azure": { "tenantId": "t", "clientId": "c", "clientSecret": "s" } };
    let key = doc! { "provider": "azure", "keyVaultEndpoint": "v.a.net", "keyName": "k" };
    (Driver::new(providers), master_key(key))
}

fn azure_answer(message: &[u8], expires_in: i64) -> Vec<u8> {
    if message.starts_with(b"POST /t/oauth2") {
        http_reply(200, &format!("{{\"access_token\":\"T\",\"expires_in\":{expires_in}}}"))
    } else {
        assert!(String::from_utf8_lossy(message).contains("Authorization:Bearer T\r\n"));
        http_reply(200, &format!("{{\"value\":\"{}\"}}", "A".repeat(128)))
    }
}

#[test]
fn one_token_serves_all_keys_of_a_provider_and_later_operations() {
    let (mut driver, key) = azure();
    let mut jobs = KmsJobs::new();
    for _ in 0..3 {
        jobs.unwrap(key.clone(), vec![1; 96]);
    }
    assert_eq!(driver.run(&mut jobs, |m| azure_answer(m, 60)).unwrap(), [1, 3]);
    assert_eq!(jobs.finish().unwrap().len(), 3);

    let mut again = |seconds| {
        driver.now = Duration::from_secs(seconds);
        let mut jobs = KmsJobs::new();
        jobs.unwrap(key.clone(), vec![1; 96]);
        driver.run(&mut jobs, |m| azure_answer(m, 60)).unwrap()
    };
    assert_eq!(again(55), [1]);
    assert_eq!(again(56), [1, 1]);
}

#[test]
fn a_token_that_lives_too_short_for_the_cache_is_still_used() {
    let (mut driver, key) = azure();
    let mut jobs = KmsJobs::new();
    jobs.unwrap(key, vec![1; 96]);
    assert_eq!(driver.run(&mut jobs, |m| azure_answer(m, 1)).unwrap(), [1, 1]);
}

#[test]
fn a_cached_token_that_is_refused_is_replaced_once() {
    let (mut driver, key) = azure();
    let mut jobs = KmsJobs::new();
    jobs.unwrap(key.clone(), vec![1; 96]);
    driver.run(&mut jobs, |m| azure_answer(m, 60)).unwrap();

    // The service forgets the token before its time is over.
    let refused = || http_reply(401, r#"{"error":{"code":"Unauthorized"}}"#);
    let mut jobs = KmsJobs::new();
    jobs.unwrap(key.clone(), vec![1; 96]);
    jobs.unwrap(key.clone(), vec![1; 96]);
    let mut has_new_token = false;
    let rounds = driver.run(&mut jobs, |message| {
        has_new_token |= message.starts_with(b"POST /t/oauth2");
        if has_new_token { azure_answer(message, 60) } else { refused() }
    });
    assert_eq!(rounds.unwrap(), [2, 1, 2]);
    assert_eq!(jobs.finish().unwrap().len(), 2);

    // One that is refused although it is new is an error.
    let mut jobs = KmsJobs::new();
    jobs.unwrap(key, vec![1; 96]);
    let result = driver.run(&mut jobs, |message| {
        if message.starts_with(b"POST /t/oauth2") { azure_answer(message, 60) } else { refused() }
    });
    assert!(result.unwrap_err().to_string().contains("HTTP status=401"));
}

#[test]
fn a_token_without_a_life_is_refused() {
    let (mut driver, key) = azure();
    let mut jobs = KmsJobs::new();
    jobs.unwrap(key, vec![1; 96]);
    let result = driver.run(&mut jobs, |_| http_reply(200, "{\"access_token\":\"T\"}"));
    assert_eq!(result.unwrap_err().to_string(), "OAuth response invalid, no 'expires_in' field.");
}

#[test]
fn a_given_token_needs_no_round() {
    let mut driver = Driver::new(doc! { "gcp:x": { "accessToken": "T" } });
    let key = master_key(doc! { "provider": "gcp:x", "projectId": "p", "location": "l",
    "keyRing": "r", "keyName": "k" });
    let mut jobs = KmsJobs::new();
    jobs.wrap(key, plain());
    let body = format!("{{\"ciphertext\":\"{}\"}}", "A".repeat(128));
    assert_eq!(driver.run(&mut jobs, |_| http_reply(200, &body)).unwrap(), [1]);
}

fn kmip(key: Document) -> (Driver, MasterKey) {
    let mut document = doc! { "provider": "kmip" };
    document.extend(key);
    (Driver::new(doc! { "kmip": { "endpoint": "localhost" } }), master_key(document))
}

/// Byte 128 of a request is the last of its operation's code.
fn operation(message: &[u8]) -> u8 {
    message[8 + 64 + 8 + 11]
}

#[test]
fn kmip_registers_activates_and_gets_what_it_wraps_with() {
    let (mut driver, key) = kmip(doc! {});
    let mut jobs = KmsJobs::new();
    jobs.wrap(key, plain());
    let mut operations = Vec::new();
    let rounds = driver
        .run(&mut jobs, |message| {
            operations.push(operation(message));
            if operation(message) == 0x0A { get_reply(&[8; 96]) } else { id_reply("39") }
        })
        .unwrap();
    assert_eq!((rounds, operations), (vec![1, 1, 1], vec![0x03, 0x12, 0x0A]));
    let (material, key) = wrapped(jobs);
    assert_eq!(key.to_raw().unwrap(), raw(doc! { "provider": "kmip", "keyId": "39" }));

    let mut jobs = KmsJobs::new();
    jobs.unwrap(key, material);
    assert_eq!(driver.run(&mut jobs, |_| get_reply(&[8; 96])).unwrap(), [1]);
    assert_eq!(unwrapped(jobs).expose(), plain().expose());
}

#[test]
fn kmip_delegates_wrapping_to_the_server() {
    let (mut driver, key) = kmip(doc! { "delegated": true });
    let mut jobs = KmsJobs::new();
    jobs.wrap(key, plain());
    let mut operations = Vec::new();
    driver
        .run(&mut jobs, |message| {
            operations.push(operation(message));
            match operation(message) {
                0x1F => data_reply(&[4; 112], Some(&[3; 16])),
                _ => id_reply("7"),
            }
        })
        .unwrap();
    assert_eq!(operations, [0x01, 0x12, 0x1F]);
    let (material, key) = wrapped(jobs);
    assert_eq!(material, [&[3; 16][..], &[4; 112]].concat());

    let mut jobs = KmsJobs::new();
    jobs.unwrap(key, material);
    assert_eq!(driver.run(&mut jobs, |_| data_reply(&[5; 96], None)).unwrap(), [1]);
    assert_eq!(unwrapped(jobs).expose(), plain().expose());
}

#[test]
fn kmip_with_a_key_id_starts_at_the_end() {
    let (mut driver, key) = kmip(doc! { "keyId": "1" });
    let mut jobs = KmsJobs::new();
    jobs.wrap(key.clone(), plain());
    assert_eq!(driver.run(&mut jobs, |_| get_reply(&[8; 96])).unwrap(), [1]);
    assert_eq!(wrapped(jobs).1, key);

    let (mut driver, key) = kmip(doc! { "keyId": "1" });
    let mut jobs = KmsJobs::new();
    jobs.wrap(key, plain());
    let result = driver.run(&mut jobs, |_| get_reply(&[8; 95]));
    assert_eq!(result.unwrap_err(), KmsError::KmipSecretLength(95));
}

#[test]
fn several_providers_share_a_round() {
    let mut providers = local();
    providers.extend(doc! { "aws": { "accessKeyId": "a", "secretAccessKey": "b" },
    "azure": { "accessToken": "T" } });
    let mut driver = Driver::new(providers);
    let mut jobs = KmsJobs::new();
    jobs.unwrap(master_key(doc! { "provider": "aws", "region": "r", "key": "k" }), vec![1; 96]);
    jobs.unwrap(azure().1, vec![1; 96]);
    jobs.wrap(MasterKey::local(), plain());
    let plaintext = "A".repeat(128);
    let body = format!("{{\"Plaintext\":\"{plaintext}\",\"value\":\"{plaintext}\"}}");
    assert_eq!(driver.run(&mut jobs, |_| http_reply(200, &body)).unwrap(), [2]);
    assert_eq!(jobs.finish().unwrap().len(), 3);
}

#[test]
fn going_on_before_the_reply_is_complete_is_an_error() {
    let (mut driver, key) = azure();
    let mut jobs = KmsJobs::new();
    jobs.unwrap(key, vec![1; 96]);
    assert!(driver.advance(&mut jobs).unwrap());
    assert_eq!(driver.advance(&mut jobs).unwrap_err().to_string(), "KMS response unfinished");
}

#[test]
fn a_provider_that_was_not_configured_is_named() {
    let mut driver = Driver::new(local());
    let mut jobs = KmsJobs::new();
    jobs.unwrap(azure().1, vec![1; 96]);
    assert_eq!(
        driver.advance(&mut jobs).unwrap_err().to_string(),
        "KMS provider `azure` is not configured"
    );
}

proptest! {
    #[test]
    fn every_truncated_prefix_is_unfinished(length in 0usize..200) {
        let (mut driver, key) = kmip(doc! { "keyId": "1" });
        let mut jobs = KmsJobs::new();
        jobs.wrap(key, plain());
        driver.advance(&mut jobs).unwrap();
        let reply = get_reply(&[8; 96]);
        for byte in &reply[..length.min(reply.len() - 1)] {
            jobs.requests()[0].feed(&[*byte]).unwrap();
        }
        prop_assert_eq!(driver.advance(&mut jobs).unwrap_err(), KmsError::Unfinished);
    }
}
