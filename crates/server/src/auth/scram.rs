//! SCRAM, the server's side. A conversation is a state that each message turns into the next.
//!
//! ```text
//! client-first ──► Challenge ──client-final──► Proven ──(empty)──► done
//!                      └────────── wrong proof: authentication failed
//! ```
//!
//! Source: RFC 5802 (SCRAM-SHA-1), RFC 7677 (SCRAM-SHA-256), and MongoDB's authentication
//! specification for the password digest of SCRAM-SHA-1 and the extra empty round.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Rounds for new users, as the server's defaults.
const SHA_1_ROUNDS: u32 = 10_000;
const SHA_256_ROUNDS: u32 = 15_000;

/// Longest message of a conversation.
const MAX_PAYLOAD_LEN: usize = 64 * 1024;

/// A SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Sha1,
    Sha256,
}

/// What the server keeps instead of a password.
pub(crate) struct Credential {
    pub(crate) rounds: u32,
    pub(crate) salt: Vec<u8>,
    pub(crate) stored_key: Zeroizing<Vec<u8>>,
    pub(crate) server_key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credential(..)")
    }
}

/// Why a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScramError {
    #[error("SCRAM message is malformed: {0}")]
    Malformed(&'static str),
    #[error("Authentication failed.")]
    Failed,
    #[error("no random bytes from the operating system")]
    NoRandomness,
}

impl Mechanism {
    pub(crate) const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    fn salt_len(self) -> usize {
        match self {
            Self::Sha1 => 16,
            Self::Sha256 => 28,
        }
    }

    fn key_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn hash(self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        })
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
        fn with<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
            let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }
        Zeroizing::new(match self {
            Self::Sha1 => with::<Hmac<Sha1>>(key, message),
            Self::Sha256 => with::<Hmac<Sha256>>(key, message),
        })
    }

    fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(vec![0; self.key_len()]);
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut out),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut out),
        }
        out
    }

    /// The password as the mechanism uses it: a digest with the user's name for SHA-1, SASLprep
    /// for SHA-256.
    fn prepared(self, user: &str, password: &str) -> Result<Zeroizing<String>, ScramError> {
        match self {
            Self::Sha1 => {
                let digest = Md5::digest(format!("{user}:mongo:{password}").as_bytes());
                let mut text = Zeroizing::new(String::with_capacity(32));
                for byte in digest {
                    text.push_str(&format!("{byte:02x}"));
                }
                Ok(text)
            }
            Self::Sha256 => stringprep::saslprep(password)
                .map(|prepared| Zeroizing::new(prepared.into_owned()))
                .map_err(|_| ScramError::Malformed("password is not valid for SASLprep")),
        }
    }
}

impl Credential {
    /// Makes a credential for a new password.
    pub(crate) fn new(
        mechanism: Mechanism,
        user: &str,
        password: &str,
    ) -> Result<Self, ScramError> {
        let rounds = match mechanism {
            Mechanism::Sha1 => SHA_1_ROUNDS,
            Mechanism::Sha256 => SHA_256_ROUNDS,
        };
        let mut salt = vec![0; mechanism.salt_len()];
        getrandom::fill(&mut salt).map_err(|_| ScramError::NoRandomness)?;
        let password = mechanism.prepared(user, password)?;
        Ok(Self::derived(mechanism, password.as_bytes(), salt, rounds))
    }

    fn derived(mechanism: Mechanism, password: &[u8], salt: Vec<u8>, rounds: u32) -> Self {
        let salted = mechanism.salted(password, &salt, rounds);
        let stored_key = mechanism.hash(&mechanism.hmac(&salted, b"Client Key"));
        let server_key = mechanism.hmac(&salted, b"Server Key");
        Self { rounds, salt, stored_key, server_key }
    }

    /// A credential that no password fits, so that an unknown user looks like a wrong password.
    /// The salt is the same each time for one name.
    fn for_nobody(mechanism: Mechanism, user: &str, secret: &[u8]) -> Self {
        let mut salt = mechanism.hmac(secret, user.as_bytes()).to_vec();
        salt.truncate(mechanism.salt_len());
        let rounds = match mechanism {
            Mechanism::Sha1 => SHA_1_ROUNDS,
            Mechanism::Sha256 => SHA_256_ROUNDS,
        };
        Self {
            rounds,
            salt,
            stored_key: mechanism.hmac(secret, b"stored"),
            server_key: mechanism.hmac(secret, b"server"),
        }
    }
}

/// A client's first message: its name and nonce.
pub(crate) struct ClientFirst {
    pub(crate) user: String,
    nonce: String,
    bare: String,
    header: String,
}

impl ClientFirst {
    /// Reads `n,,n=user,r=nonce`.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, ScramError> {
        let text = text(payload)?;
        let malformed = ScramError::Malformed;
        let Some(("n,," | "y,,", bare)) = text.split_at_checked(3) else {
            return Err(malformed("channel binding is not supported"));
        };
        let mut fields = bare.split(',');
        let user = fields.next().and_then(|field| field.strip_prefix("n="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        match (user, nonce) {
            (Some(user), Some(nonce)) if !nonce.is_empty() => Ok(Self {
                user: unescaped(user)?,
                nonce: nonce.to_owned(),
                bare: bare.to_owned(),
                header: text.chars().take(3).collect(),
            }),
            _ => Err(malformed("first message needs a name and a nonce")),
        }
    }

    /// The server's challenge, and the state that waits for the proof.
    pub(crate) fn challenge(
        self,
        mechanism: Mechanism,
        credential: Option<&Credential>,
        secret: &[u8],
    ) -> Result<(String, Challenge), ScramError> {
        let fallback;
        let (credential, is_real) = match credential {
            Some(credential) => (credential, true),
            None => {
                fallback = Credential::for_nobody(mechanism, &self.user, secret);
                (&fallback, false)
            }
        };
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(|_| ScramError::NoRandomness)?;
        let nonce = format!("{}{}", self.nonce, BASE64.encode(random));
        let salt = BASE64.encode(&credential.salt);
        let first = format!("r={nonce},s={salt},i={}", credential.rounds);
        let challenge = Challenge {
            mechanism,
            is_real,
            nonce,
            binding: BASE64.encode(&self.header),
            prefix: format!("{},{first}", self.bare),
            stored_key: credential.stored_key.clone(),
            server_key: credential.server_key.clone(),
        };
        Ok((first, challenge))
    }
}

/// Waiting for the client's proof.
pub(crate) struct Challenge {
    mechanism: Mechanism,
    is_real: bool,
    nonce: String,
    binding: String,
    prefix: String,
    stored_key: Zeroizing<Vec<u8>>,
    server_key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Challenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Challenge(..)")
    }
}

impl Challenge {
    /// Checks `c=..,r=..,p=proof`; gives the server's own proof.
    pub(crate) fn verify(self, payload: &[u8]) -> Result<String, ScramError> {
        let text = text(payload)?;
        let (without_proof, proof) =
            text.rsplit_once(",p=").ok_or(ScramError::Malformed("final message has no proof"))?;
        let expected = format!("c={},r={}", self.binding, self.nonce);
        let mut proof =
            BASE64.decode(proof).map_err(|_| ScramError::Malformed("proof is not base64"))?;
        if !without_proof.starts_with(&expected) {
            return Err(ScramError::Malformed("final message does not repeat the nonce"));
        }
        let message = format!("{},{without_proof}", self.prefix);
        let signature = self.mechanism.hmac(&self.stored_key, message.as_bytes());
        if proof.len() != signature.len() {
            return Err(ScramError::Failed);
        }
        for (byte, mask) in proof.iter_mut().zip(signature.iter()) {
            *byte ^= mask;
        }
        let found = self.mechanism.hash(&proof);
        proof.zeroize();
        let fits: bool = found.ct_eq(&self.stored_key).into();
        if !fits || !self.is_real {
            return Err(ScramError::Failed);
        }
        let server = self.mechanism.hmac(&self.server_key, message.as_bytes());
        Ok(format!("v={}", BASE64.encode(&*server)))
    }
}

fn text(payload: &[u8]) -> Result<&str, ScramError> {
    if payload.len() > MAX_PAYLOAD_LEN {
        return Err(ScramError::Malformed("message is too long"));
    }
    std::str::from_utf8(payload).map_err(|_| ScramError::Malformed("message is not UTF-8"))
}

/// Undoes `=2C` and `=3D`, which stand for a comma and an equals sign.
fn unescaped(name: &str) -> Result<String, ScramError> {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('=') {
        out.push_str(before);
        rest = match after.split_at_checked(2) {
            Some(("2C", rest)) => {
                out.push(',');
                rest
            }
            Some(("3D", rest)) => {
                out.push('=');
                rest
            }
            _ => return Err(ScramError::Malformed("name has a bad escape")),
        };
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The client's side, for one password.
    fn proof(
        mechanism: Mechanism,
        user: &str,
        password: &str,
        first_bare: &str,
        challenge: &str,
    ) -> String {
        let mut fields = challenge.split(',');
        let nonce = fields.next().unwrap().strip_prefix("r=").unwrap();
        let salt = BASE64.decode(fields.next().unwrap().strip_prefix("s=").unwrap()).unwrap();
        let rounds = fields.next().unwrap().strip_prefix("i=").unwrap().parse().unwrap();
        let password = mechanism.prepared(user, password).unwrap();
        let salted = mechanism.salted(password.as_bytes(), &salt, rounds);
        let client_key = mechanism.hmac(&salted, b"Client Key");
        let stored_key = mechanism.hash(&client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{first_bare},{challenge},{without_proof}");
        let signature = mechanism.hmac(&stored_key, message.as_bytes());
        let proof: Vec<u8> =
            client_key.iter().zip(signature.iter()).map(|(left, right)| left ^ right).collect();
        format!("{without_proof},p={}", BASE64.encode(proof))
    }

    fn talk(
        mechanism: Mechanism,
        credential: Option<&Credential>,
        password: &str,
    ) -> Result<String, ScramError> {
        let bare = "n=us=2Cer,r=abc";
        let first = ClientFirst::parse(format!("n,,{bare}").as_bytes())?;
        assert_eq!(first.user, "us,er");
        let (message, challenge) = first.challenge(mechanism, credential, b"secret")?;
        challenge.verify(proof(mechanism, "us,er", password, bare, &message).as_bytes())
    }

    #[test]
    fn the_right_password_is_let_in_and_a_wrong_one_is_not() {
        for mechanism in Mechanism::ALL {
            let credential = Credential::new(mechanism, "us,er", "pencil").unwrap();
            assert!(talk(mechanism, Some(&credential), "pencil").unwrap().starts_with("v="));
            assert_eq!(talk(mechanism, Some(&credential), "Pencil"), Err(ScramError::Failed));
            assert_eq!(talk(mechanism, None, "pencil"), Err(ScramError::Failed));
        }
    }

    /// RFC 7677, section 3.
    #[test]
    fn published_exchange_of_sha_256() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let credential = Credential::derived(Mechanism::Sha256, b"pencil", salt, 4096);
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let first = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let challenge = Challenge {
            mechanism: Mechanism::Sha256,
            is_real: true,
            nonce: nonce.into(),
            binding: "biws".into(),
            prefix: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{first}"),
            stored_key: credential.stored_key,
            server_key: credential.server_key,
        };
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(
            challenge.verify(last.as_bytes()).unwrap(),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn nobody_has_the_same_salt_each_time() {
        let first = Credential::for_nobody(Mechanism::Sha256, "a", b"secret");
        let second = Credential::for_nobody(Mechanism::Sha256, "a", b"secret");
        assert_eq!(first.salt, second.salt);
        assert_eq!(first.salt.len(), Mechanism::Sha256.salt_len());
        assert_eq!(format!("{first:?}"), "Credential(..)");
    }

    proptest! {
        #[test]
        fn first_messages_never_panic(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = ClientFirst::parse(&payload);
        }

        #[test]
        fn first_messages_of_text_never_panic(text in "[ny],,n=[a-z=2C3D,]{0,10},r=.{0,5}") {
            let _ = ClientFirst::parse(text.as_bytes());
        }
    }
}
