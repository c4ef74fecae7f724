use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Value {
    key: usize,
    algorithm: Algorithm,
    aad: Vec<u8>,
    plaintext: Vec<u8>,
}

fn keys() -> [DataKey; 3] {
    [1u8, 2, 3].map(|n| {
        DataKey::try_from(&std::array::from_fn::<u8, 96, _>(|i| (i as u8).wrapping_mul(n))[..])
            .unwrap()
    })
}

/// Mostly short values, as in documents, and now and then a long one.
fn values(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Value>> {
    let algorithm = prop_oneof![
        any::<[u8; IV_LEN]>().prop_map(|iv| Algorithm::Random { iv }),
        Just(Algorithm::Deterministic),
    ];
    let aad = prop_oneof![Just(18usize), 0usize..40, 100usize..300];
    let length = prop_oneof![8 => 1usize..70, 2 => 1usize..400, 1 => prop_oneof![1000usize..4000, 16_200usize..16_600]];
    let value = (0usize..3, algorithm, aad, length, any::<u8>()).prop_map(
        |(key, algorithm, aad, length, seed)| Value {
            key,
            algorithm,
            aad: (0..aad).map(|i| (i as u8).wrapping_add(seed)).collect(),
            plaintext: (0..length).map(|i| (i as u8).wrapping_mul(seed | 1)).collect(),
        },
    );
    prop::collection::vec(value, count)
}

/// Each value alone: associated data and ciphertext, one after the other.
fn one_by_one(keys: &[DataKey; 3], values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        out.extend_from_slice(&value.aad);
        let key = &keys[value.key];
        match &value.algorithm {
            Algorithm::Random { iv } => {
                key.encrypt_random(iv, &value.aad, &value.plaintext, &mut out)
            }
            Algorithm::Deterministic => {
                key.encrypt_deterministic(&value.aad, &value.plaintext, &mut out)
            }
        }
        .unwrap();
    }
    out
}

/// The jobs for the same, and the output with the associated data in place.
fn lay_out<'a>(keys: &'a [DataKey; 3], values: &'a [Value]) -> (Vec<EncryptJob<'a>>, Vec<u8>) {
    let mut out = Vec::new();
    let mut jobs = Vec::new();
    for Value { key, algorithm, aad, plaintext } in values {
        let start = out.len();
        out.extend_from_slice(aad);
        jobs.push(EncryptJob {
            key: &keys[*key],
            algorithm: *algorithm,
            plaintext,
            aad: start..out.len(),
        });
        out.resize(out.len() + ciphertext_len(plaintext.len()), 0xEE);
    }
    (jobs, out)
}

fn decrypt_jobs<'a>(jobs: &[EncryptJob<'a>], sealed: &'a [u8]) -> Vec<DecryptJob<'a>> {
    jobs.iter()
        .map(|job| {
            let end = job.aad.end + ciphertext_len(job.plaintext.len());
            DecryptJob::new(job.key, &sealed[job.aad.clone()], &sealed[job.aad.end..end])
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn batch_equals_values_one_by_one(values in values(0..80)) {
        let keys = keys();
        let (jobs, mut sealed) = lay_out(&keys, &values);
        encrypt(&jobs, &mut sealed).unwrap();
        prop_assert!(sealed == one_by_one(&keys, &values));

        let mut opened = decrypt_jobs(&jobs, &sealed);
        let mut out = b"before".to_vec();
        decrypt(&mut opened, &mut out).unwrap();
        prop_assert_eq!(&out[..6], b"before");
        for (job, value) in opened.iter().zip(&values) {
            prop_assert_eq!(&out[job.plaintext()], &value.plaintext);
        }
    }

    #[test]
    fn one_forged_value_refuses_the_batch(
        values in values(1..20),
        which: prop::sample::Index,
        at: prop::sample::Index,
        flip in 1u8..,
    ) {
        let keys = keys();
        let (jobs, mut sealed) = lay_out(&keys, &values);
        encrypt(&jobs, &mut sealed).unwrap();
        let which = which.index(jobs.len());
        let start = jobs[which].aad.start;
        let end = jobs[which].aad.end + ciphertext_len(jobs[which].plaintext.len());
        sealed[start + at.index(end - start)] ^= flip;

        let mut out = b"before".to_vec();
        let error = decrypt(&mut decrypt_jobs(&jobs, &sealed), &mut out).unwrap_err();
        prop_assert_eq!(error, BatchError { job: which, source: CryptoError::Authentication });
        prop_assert_eq!(out, b"before");
    }
}

#[test]
fn first_refused_job_is_named() {
    let [key, ..] = keys();
    let job = |plaintext, aad| EncryptJob {
        key: &key,
        algorithm: Algorithm::Deterministic,
        plaintext,
        aad,
    };
    let mut out = [0; 64 + 4];
    let error = encrypt(&[job(b"a", 0..4), job(b"", 0..4)], &mut out).unwrap_err();
    assert_eq!(error, BatchError { job: 1, source: CryptoError::PlaintextEmpty });
    assert_eq!(out, [0; 68], "nothing is written when a job is refused");

    let error = encrypt(&[job(b"a", 0..5)], &mut out).unwrap_err();
    assert_eq!(error.source, CryptoError::OutputTooSmall { needed: 69, actual: 68 });
    #[expect(clippy::reversed_empty_ranges, reason = "what is tested")]
    let error = encrypt(&[job(b"a", 4..3)], &mut out).unwrap_err();
    assert!(matches!(error.source, CryptoError::OutputTooSmall { .. }));
    let error = encrypt(&[job(b"a", 0..usize::MAX)], &mut out).unwrap_err();
    assert!(matches!(error.source, CryptoError::OutputTooSmall { .. }));

    let short = [0; 63];
    let long = [0; 64];
    let mut jobs = [DecryptJob::new(&key, b"", &long), DecryptJob::new(&key, b"", &short)];
    let error = decrypt(&mut jobs, &mut Vec::new()).unwrap_err();
    assert_eq!(error, BatchError { job: 0, source: CryptoError::Authentication });
    assert_eq!(error.to_string(), "HMAC validation failure");
}

#[test]
fn debug_shows_no_plaintext() {
    let [key, ..] = keys();
    let job = EncryptJob {
        key: &key,
        algorithm: Algorithm::Deterministic,
        plaintext: b"\xA5\xA5",
        aad: 0..18,
    };
    assert_eq!(
        format!("{job:?}"),
        "EncryptJob { algorithm: Deterministic, plaintext_len: 2, aad: 0..18, .. }"
    );
}
