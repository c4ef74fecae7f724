//! Which operations wrap or unwrap a data key, and in which order.

use fieldveil_crypto::{DataKey, Random, Secret};

use super::reply::IV_BYTES;
use super::request;
use crate::endpoint::KMIP_PORT;
use crate::local;
use crate::master_key::KmipKey;
use crate::reply::Reply;
use crate::request::{Draft, RequestKind};
use crate::{Endpoint, KmsError, SecretBytes};

/// Where one data key stands.
///
/// ```text
/// wrap:    Register -> Activate -> Get -> wrapped here      (no key id)
///          Get -> wrapped here                              (key id given)
/// wrap:    Create -> Activate -> Encrypt                    (delegated, no key id)
///          Encrypt                                          (delegated, key id given)
/// unwrap:  Get -> unwrapped here, or Decrypt                (delegated)
/// ```
pub(crate) struct KmipFlow {
    key: KmipKey,
    endpoint: String,
    /// Identifier that the server gave in this flow.
    made_id: Option<String>,
    activated: bool,
}

/// What comes next.
pub(crate) enum KmipStep {
    /// Ask the server.
    Send(Draft),
    /// The data key is wrapped; the identifier is that of a key made for it.
    Wrapped { key_material: Vec<u8>, key_id: Option<String> },
    /// The data key is unwrapped.
    Unwrapped(Secret<96>),
}

impl KmipFlow {
    /// Starts at the master key's own endpoint, or else at the provider's.
    pub(crate) fn new(key: &KmipKey, provider_endpoint: &Endpoint) -> Self {
        let endpoint = key.endpoint.as_ref().unwrap_or(provider_endpoint);
        Self {
            key: key.clone(),
            endpoint: endpoint.with_default_port(KMIP_PORT),
            made_id: None,
            activated: false,
        }
    }

    /// Goes on with wrapping `plaintext` after `reply`, which is `None` at the start.
    pub(crate) fn wrap(
        &mut self,
        plaintext: &Secret<96>,
        reply: Option<Reply>,
        random: &mut dyn Random,
    ) -> Result<KmipStep, KmsError> {
        match reply {
            Some(Reply::UniqueIdentifier(id)) if self.made_id.is_none() => {
                self.made_id = Some(id.clone());
                return Ok(self.send(RequestKind::KmipActivate, request::activate(&id)));
            }
            Some(Reply::UniqueIdentifier(_)) => self.activated = true,
            Some(Reply::Bytes(bytes)) => {
                let key_material = if self.key.delegated {
                    bytes.expose().to_vec()
                } else {
                    local::wrap(&wrapping_key(&bytes)?, plaintext, random)?
                };
                return Ok(KmipStep::Wrapped { key_material, key_id: self.made_id.take() });
            }
            _ => {}
        }
        let id = match (&self.key.key_id, &self.made_id) {
            (Some(id), _) => id,
            (None, Some(id)) if self.activated => id,
            _ if self.key.delegated => {
                return Ok(self.send(RequestKind::KmipCreate, request::create()));
            }
            _ => {
                let secret = Secret::<96>::fill(|bytes| random.fill(bytes))?;
                let message = request::register(secret.expose());
                return Ok(self.send(RequestKind::KmipRegister, message));
            }
        };
        Ok(if self.key.delegated {
            self.send(RequestKind::KmipEncrypt, request::encrypt(id, plaintext.expose()))
        } else {
            self.send(RequestKind::KmipGet, request::get(id))
        })
    }

    /// Goes on with unwrapping `key_material` after `reply`, which is `None` at the start.
    pub(crate) fn unwrap(
        &mut self,
        key_material: &[u8],
        reply: Option<Reply>,
    ) -> Result<KmipStep, KmsError> {
        if let Some(Reply::Bytes(bytes)) = reply {
            let key = if self.key.delegated {
                Secret::try_from(bytes.expose()).map_err(|_| KmsError::KeyLength)?
            } else {
                local::unwrap(&wrapping_key(&bytes)?, key_material)?
            };
            return Ok(KmipStep::Unwrapped(key));
        }
        let Some(id) = &self.key.key_id else {
            return Err(KmsError::KmipKeyMalformed);
        };
        if !self.key.delegated {
            return Ok(self.send(RequestKind::KmipGet, request::get(id)));
        }
        let Some((iv, ciphertext)) = key_material.split_at_checked(IV_BYTES) else {
            return Err(KmsError::KmipKeyMaterialTooShort);
        };
        Ok(self.send(RequestKind::KmipDecrypt, request::decrypt(id, iv, ciphertext)))
    }

    fn send(&self, kind: RequestKind, message: SecretBytes) -> KmipStep {
        KmipStep::Send(Draft { kind, endpoint: self.endpoint.clone(), message })
    }
}

fn wrapping_key(secret: &SecretBytes) -> Result<DataKey, KmsError> {
    let bytes = secret.expose();
    let secret = Secret::try_from(bytes).map_err(|_| KmsError::KmipSecretLength(bytes.len()))?;
    Ok(DataKey::new(secret))
}
