//! Replies of key services, fed as any split of any bytes.
#![no_main]

use std::time::Duration;

use bson::rawdoc;
use fieldveil_crypto::{Random, RandomError, Secret};
use fieldveil_kms::{KmsEnv, KmsJobs, KmsProviders, MasterKey, TokenCache};
use libfuzzer_sys::fuzz_target;

struct Zeros;

impl Random for Zeros {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        out.fill(0);
        Ok(())
    }
}

fuzz_target!(|input: (u8, bool, bool, Vec<u8>)| {
    let (service, wraps, retry, bytes) = input;
    let (providers, key) = match service % 4 {
        0 => (
            rawdoc! { "aws": { "accessKeyId": "a", "secretAccessKey": "b" } },
            rawdoc! { "provider": "aws", "region": "r", "key": "k" },
        ),
        1 => (
            rawdoc! { "azure": { "tenantId": "t", "clientId": "c", "clientSecret": "s" } },
            rawdoc! { "provider": "azure", "keyVaultEndpoint": "a.b.c", "keyName": "k" },
        ),
        2 => (
            rawdoc! { "gcp": { "accessToken": "t" } },
            rawdoc! { "provider": "gcp", "projectId": "p", "location": "l", "keyRing": "r",
            "keyName": "k" },
        ),
        _ => (
            rawdoc! { "kmip": { "endpoint": "localhost" } },
            rawdoc! { "provider": "kmip", "keyId": "1", "delegated": retry },
        ),
    };
    let (Ok(providers), Ok(key)) = (KmsProviders::parse(&providers), MasterKey::parse(&key)) else {
        return;
    };
    let mut jobs = KmsJobs::new();
    if wraps {
        jobs.wrap(key, Secret::copy_from(&[1; 96]));
    } else {
        jobs.unwrap(key, vec![2; 160]);
    }
    let tokens = TokenCache::default();
    let mut rest = bytes.as_slice();
    for _ in 0..4 {
        let mut env = KmsEnv {
            providers: &providers,
            tokens: &tokens,
            now: Duration::ZERO,
            wall_clock_ms: 0,
            random: &mut Zeros,
            retry,
            signer: None,
            hashes: None,
        };
        if !jobs.advance(&mut env).unwrap_or(false) {
            break;
        }
        for request in jobs.requests() {
            while request.bytes_needed() > 0 && !rest.is_empty() {
                let needed = usize::try_from(request.bytes_needed()).unwrap_or(0);
                let (part, later) = rest.split_at(needed.min(rest.len()).min(7));
                rest = later;
                let _ = request.feed(part);
                if request.needs_retry() {
                    request.begin_retry();
                }
            }
        }
    }
});
