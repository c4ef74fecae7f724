//! Jobs in groups: enough of them to keep all lanes busy, few enough for the first cache.
#![expect(clippy::indexing_slicing, reason = "indices are below the length of a group")]

use std::ops::Range;

use super::blocks::{self, Decryptor, Plain};
use super::macs::{FULL, Message, macs};
use super::{Algorithm, BatchError, DecryptJob, EncryptJob, ciphertext_len};
use crate::CryptoError;
use crate::aead::{self, IV_LEN, Parts, TAG_LEN};
use crate::cipher::BLOCK;

/// How many jobs are worked on together. More are taken in groups of as many, so that a caller who
/// splits a batch loses nothing by splitting it there.
pub const GROUP: usize = 72;

/// A group of which little has to be cleared for a few jobs.
const SMALL_GROUP: usize = 18;

/// From this length on a value is worth a pass of its own.
const LARGE: usize = 16 * 1024;

/// Encrypts jobs that have been checked.
pub(super) fn encrypt(jobs: &[EncryptJob<'_>], out: &mut [u8]) {
    let is_small = |job: &EncryptJob<'_>| job.plaintext.len() < LARGE;
    // Runs of small values, each large one alone.
    for run in jobs.chunk_by(|one, other| is_small(one) && is_small(other)) {
        match run {
            [job] => encrypt_alone(job, out),
            _ if run.len() <= SMALL_GROUP => encrypt_group::<SMALL_GROUP>(run, out),
            _ => run.chunks(GROUP).for_each(|group| encrypt_group::<GROUP>(group, out)),
        }
    }
}

fn encrypt_alone(job: &EncryptJob<'_>, out: &mut [u8]) {
    let (before, place) = out.split_at_mut(job.aad.end);
    let aad = before.split_at(job.aad.start).1;
    let ciphertext = place.split_at_mut(ciphertext_len(job.plaintext.len())).0;
    let keys = job.key.csfle();
    let iv = match job.algorithm {
        Algorithm::Random { iv } => iv,
        Algorithm::Deterministic => aead::deterministic_iv(keys, aad, job.plaintext),
    };
    aead::seal(keys, &iv, aad, job.plaintext, ciphertext);
}

fn encrypt_group<const GROUP: usize>(jobs: &[EncryptJob<'_>], out: &mut [u8]) {
    let mut lengths = [[0; 8]; GROUP];
    let mut ivs = [[0; IV_LEN]; GROUP];
    let mut deterministic = 0;
    for (index, job) in jobs.iter().enumerate() {
        lengths[index] = aead::length_field(job.aad.len());
        match job.algorithm {
            Algorithm::Random { iv } => ivs[index] = iv,
            Algorithm::Deterministic => deterministic += 1,
        }
    }
    // Deterministic values need two MACs, one after the other. With the first of them go those of as
    // many random values as make the lanes full, with the second those of the others.
    let early = match deterministic {
        0 => 0,
        _ => (jobs.len() / FULL * FULL).saturating_sub(deterministic),
    };
    let mut order = [0; GROUP];
    let (mut next_random, mut next_deterministic) = (0, early);
    for (index, job) in jobs.iter().enumerate() {
        if matches!(job.algorithm, Algorithm::Deterministic) {
            order[next_deterministic] = index;
            next_deterministic += 1;
            continue;
        }
        if next_random == early {
            next_random += deterministic;
        }
        order[next_random] = index;
        next_random += 1;
    }

    encrypt_blocks(jobs, &order[..early], &ivs, out);
    let mut digests = [[0; TAG_LEN]; GROUP];
    let first = &order[..early + deterministic];
    let message = |n: usize| {
        let index = first[n];
        if n < early {
            return tag_message(&jobs[index], &lengths[index], out);
        }
        let job = &jobs[index];
        let parts = [&out[job.aad.clone()], &lengths[index], job.plaintext];
        Message { key: &job.key.csfle().iv.0, parts }
    };
    macs(message, &mut digests[..first.len()]);
    for (n, (index, digest)) in first.iter().zip(&digests).enumerate() {
        if n < early {
            out[tag(&jobs[*index])].copy_from_slice(digest);
        } else {
            ivs[*index].copy_from_slice(&digest[..IV_LEN]);
        }
    }

    let second = &order[early..jobs.len()];
    encrypt_blocks(jobs, second, &ivs, out);
    let message = |n: usize| tag_message(&jobs[second[n]], &lengths[second[n]], out);
    macs(message, &mut digests[..second.len()]);
    for (index, digest) in second.iter().zip(&digests) {
        out[tag(&jobs[*index])].copy_from_slice(digest);
    }
}

/// Writes initialization vectors and blocks of some of the jobs.
fn encrypt_blocks(jobs: &[EncryptJob<'_>], which: &[usize], ivs: &[[u8; IV_LEN]], out: &mut [u8]) {
    let values = which.iter().map(|&index| Plain {
        cipher: &jobs[index].key.csfle().cipher,
        iv: ivs[index],
        plaintext: jobs[index].plaintext,
        at: jobs[index].aad.end,
    });
    blocks::encrypt(values, out);
}

/// What a job's tag authenticates: associated data, initialization vector and blocks, which stand in
/// a row.
fn tag_message<'a>(job: &'a EncryptJob<'_>, length: &'a [u8; 8], out: &'a [u8]) -> Message<'a> {
    let parts = [&out[job.aad.start..tag(job).start], &length[..], &[]];
    Message { key: &job.key.csfle().mac.0, parts }
}

/// The place of a job's tag.
fn tag(job: &EncryptJob<'_>) -> Range<usize> {
    let end = job.aad.end + ciphertext_len(job.plaintext.len());
    end - TAG_LEN..end
}

/// Decrypts jobs. After an error `out` may hold plaintext of others.
pub(super) fn decrypt(jobs: &mut [DecryptJob<'_>], out: &mut Vec<u8>) -> Result<(), BatchError> {
    let is_small = |job: &DecryptJob<'_>| job.ciphertext.len() < LARGE;
    let mut done = 0;
    for run in jobs.chunk_by_mut(|one, other| is_small(one) && is_small(other)) {
        for group in run.chunks_mut(GROUP) {
            let result = match group {
                [job] => decrypt_alone(job, out),
                _ if group.len() <= SMALL_GROUP => decrypt_group::<SMALL_GROUP>(group, out),
                _ => decrypt_group::<GROUP>(group, out),
            };
            result.map_err(|BatchError { job, source }| BatchError { job: done + job, source })?;
            done += group.len();
        }
    }
    Ok(())
}

fn decrypt_alone(job: &mut DecryptJob<'_>, out: &mut Vec<u8>) -> Result<(), BatchError> {
    let start = out.len();
    job.key
        .decrypt(job.aad, job.ciphertext, out)
        .map_err(|source| BatchError { job: 0, source })?;
    job.plaintext = start..out.len();
    Ok(())
}

fn decrypt_group<const GROUP: usize>(
    jobs: &mut [DecryptJob<'_>],
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    // The first job refused so far; those before it go on to the next check.
    let mut refused = None;
    let mut limit = jobs.len();
    let mut refuse = |limit: &mut usize, job: usize, source: CryptoError| {
        refused = Some(BatchError { job, source });
        *limit = job;
    };

    let mut lengths = [[0; 8]; GROUP];
    for (index, job) in jobs.iter().enumerate() {
        lengths[index] = aead::length_field(job.aad.len());
        if let Err(error) = Parts::of(job.ciphertext) {
            refuse(&mut limit, index, error);
            break;
        }
    }

    let mut digests = [[0; TAG_LEN]; GROUP];
    let message = |index: usize| {
        let job = &jobs[index];
        let (body, _) = job.ciphertext.split_at(job.ciphertext.len() - TAG_LEN);
        Message { key: &job.key.csfle().mac.0, parts: [job.aad, body, &lengths[index]] }
    };
    macs(message, &mut digests[..limit]);
    let mut end = out.len();
    for (index, (job, digest)) in jobs[..limit].iter_mut().zip(&digests).enumerate() {
        let Ok(parts) = Parts::of(job.ciphertext) else { break };
        if !aead::tags_equal(digest, parts.tag) {
            refuse(&mut limit, index, CryptoError::Authentication);
            break;
        }
        if !parts.encrypted.len().is_multiple_of(BLOCK) {
            refuse(&mut limit, index, CryptoError::CiphertextNotBlocks);
            break;
        }
        job.plaintext = end..end + parts.encrypted.len();
        end += parts.encrypted.len();
    }

    out.resize(end, 0);
    let mut decryptor = Decryptor::new(&jobs[0].key.csfle().cipher);
    for job in &jobs[..limit] {
        let Ok(parts) = Parts::of(job.ciphertext) else { break };
        let (blocks, _) = parts.encrypted.as_chunks();
        let cipher = &job.key.csfle().cipher;
        decryptor.decrypt(cipher, parts.iv, blocks, job.plaintext.start, out);
    }
    decryptor.finish(out);
    for (index, job) in jobs[..limit].iter_mut().enumerate() {
        match aead::plaintext_len(&out[job.plaintext.clone()]) {
            Ok(length) => job.plaintext.end = job.plaintext.start + length,
            Err(error) => {
                refuse(&mut limit, index, error);
                break;
            }
        }
    }
    refused.map_or(Ok(()), Err)
}
