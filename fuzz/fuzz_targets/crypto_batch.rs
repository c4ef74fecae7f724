//! Values of any lengths in one batch: equal to the same values one by one, and back.
//!
//! Three bytes of input make a value: key and algorithm, length of the associated data, length of
//! the plaintext.
#![no_main]

use std::sync::LazyLock;

use fieldveil_crypto::DataKey;
use fieldveil_crypto::batch::{self, Algorithm, DecryptJob, EncryptJob};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<[DataKey; 2]> =
    LazyLock::new(|| [1, 2].map(|n| DataKey::try_from(&[n; 96][..]).unwrap()));

fuzz_target!(|data: &[u8]| {
    let text: Vec<u8> =
        data.iter().copied().cycle().take(if data.is_empty() { 0 } else { 66_000 }).collect();
    let mut out = Vec::new();
    let mut jobs = Vec::new();
    for &[kind, aad, length] in data.as_chunks::<3>().0.iter().take(200) {
        // Mostly short; the highest lengths are those of the paths for large values.
        let length = if length < 0xf8 { usize::from(length) + 1 } else { usize::from(length) << 8 };
        let start = out.len();
        out.extend_from_slice(&text[..usize::from(aad)]);
        let algorithm = match kind & 1 {
            0 => Algorithm::Deterministic,
            _ => Algorithm::Random { iv: [kind; 16] },
        };
        let key = &KEYS[usize::from(kind >> 1 & 1)];
        let aad = start..out.len();
        jobs.push(EncryptJob { key, algorithm, plaintext: &text[..length], aad });
        out.resize(out.len() + batch::ciphertext_len(length), 0);
    }
    batch::encrypt(&jobs, &mut out).unwrap();

    let mut expected = Vec::new();
    for job in &jobs {
        expected.extend_from_slice(&out[job.aad.clone()]);
        let aad = &out[job.aad.clone()];
        match &job.algorithm {
            Algorithm::Random { iv } => {
                job.key.encrypt_random(iv, aad, job.plaintext, &mut expected)
            }
            Algorithm::Deterministic => {
                job.key.encrypt_deterministic(aad, job.plaintext, &mut expected)
            }
        }
        .unwrap();
    }
    assert!(out == expected);

    let mut opened: Vec<DecryptJob<'_>> = jobs
        .iter()
        .map(|job| {
            let end = job.aad.end + batch::ciphertext_len(job.plaintext.len());
            DecryptJob::new(job.key, &out[job.aad.clone()], &out[job.aad.end..end])
        })
        .collect();
    let mut plain = Vec::new();
    batch::decrypt(&mut opened, &mut plain).unwrap();
    for (opened, job) in opened.iter().zip(&jobs) {
        assert!(plain[opened.plaintext()] == *job.plaintext);
    }
});
