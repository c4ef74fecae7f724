//! What can be wrong with the input of a cipher.

/// Why encryption or decryption was refused.
///
/// The messages are those of libmongocrypt, because programs and test suites match on them.
/// Failures of decryption do not tell which byte differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// Caller's mistake: key material of the wrong length.
    #[error("key should have length {expected}, but has length {actual}")]
    KeyLength {
        /// Bytes that the operation needs.
        expected: usize,
        /// Bytes that were given.
        actual: usize,
    },
    /// Caller's mistake: no value of BSON is empty, so empty plaintext is refused.
    #[error("input plaintext too small. Must be more than zero bytes.")]
    PlaintextEmpty,
    /// Caller's mistake: the place for a ciphertext lies outside of the output.
    #[error("output has {actual} bytes, but the ciphertext ends at {needed}")]
    OutputTooSmall {
        /// Where the ciphertext would end.
        needed: usize,
        /// Bytes of output that there are.
        actual: usize,
    },
    /// Corrupt input: it cannot hold an initialization vector, one block and a tag.
    #[error("input ciphertext too small. Must be more than {minimum} bytes")]
    CiphertextTooShort {
        /// The least length of any ciphertext of this cipher; libmongocrypt's message says
        /// otherwise, but accepts it.
        minimum: usize,
    },
    /// Corrupt input: nothing is left of it after initialization vector and tag.
    #[error("input ciphertext too small. Must be more than {overhead} bytes")]
    CiphertextEmpty {
        /// Bytes of initialization vector and tag.
        overhead: usize,
    },
    /// Corrupt or forged input, or the wrong key, or the wrong associated data.
    #[error("HMAC validation failure")]
    Authentication,
    /// Authentic, but not made of whole blocks: its writer was faulty.
    #[error("error, ciphertext length is not a multiple of block size")]
    CiphertextNotBlocks,
    /// Authentic, but with malformed padding: its writer was faulty.
    #[error("error, ciphertext malformed padding")]
    Padding,
    /// Corrupt input: a state of a payload (`p`) of a length that no kind of index has.
    #[error("encrypted state token has {actual} bytes, but must have 48, 49 or 51")]
    StateLength {
        /// Bytes that were given.
        actual: usize,
    },
    /// Corrupt input or the wrong token: the leaf flag of a range edge is neither 0 nor 1.
    #[error("encrypted state token has an invalid leaf flag")]
    StateLeafFlag,
    /// Caller's mistake: the state of a text value counts its tags in 24 bits.
    #[error("text value has {actual} tags, but at most {maximum} are possible")]
    TooManyTags {
        /// The greatest count.
        maximum: u32,
        /// The count that was given.
        actual: u32,
    },
}
