//! Wrapping with a key that is at hand: the local provider, and what a KMIP server gave out.

use fieldveil_crypto::{DataKey, Random, Secret};
use zeroize::Zeroizing;

use crate::KmsError;

/// Bytes of a wrapped data key: 16 IV, 112 ciphertext, 32 tag.
pub const WRAPPED_KEY_BYTES: usize = 160;

/// Wraps a data key with the cipher that encrypts values, a random IV and no associated data.
pub(crate) fn wrap(
    key: &DataKey,
    plaintext: &Secret<96>,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KmsError> {
    let mut iv = [0; 16];
    random.fill_nonces(&mut iv)?;
    let mut wrapped = Vec::with_capacity(WRAPPED_KEY_BYTES);
    key.encrypt_random(&iv, &[], plaintext.expose(), &mut wrapped)
        .map_err(|error| KmsError::Unwrap(error.to_string()))?;
    Ok(wrapped)
}

/// Unwraps a data key.
pub(crate) fn unwrap(key: &DataKey, key_material: &[u8]) -> Result<Secret<96>, KmsError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(key_material.len()));
    key.decrypt(&[], key_material, &mut bytes)
        .map_err(|error| KmsError::Unwrap(error.to_string()))?;
    Secret::try_from(bytes.as_slice()).map_err(|_| KmsError::UnwrappedLength(bytes.len()))
}
