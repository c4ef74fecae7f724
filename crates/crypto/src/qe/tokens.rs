//! The tree of tokens.
//!
//! Every token is HMAC-SHA-256 under the one above it; numbers are hashed as 64 bits,
//! little-endian. `w` stands for the bytes of a value, of a range edge or of a piece of a string,
//! `u` for the contention factor.
//!
//! ```text
//! index key [64..96)
//! ├─1 CollectionsLevel1
//! │   ├─1 EDC ──w── EDCDerivedFromData ──u── ..AndContentionFactor ──1── EDCTwiceDerived
//! │   ├─2 ESC ──w── ESCDerivedFromData ──u── ..AndContentionFactor ┬─1── ESCTwiceDerivedTag
//! │   │    │                                                       └─2── ESCTwiceDerivedValue
//! │   │    └─0¹⁷─ AnchorPaddingRoot ┬─1── AnchorPaddingKey
//! │   │                             └─2── AnchorPaddingValue
//! │   └─4 ECOC
//! ├─2 ServerTokenDerivationLevel1 ──w── ServerDerivedFromData
//! │                                      ├─1 ServerCountAndContentionFactorEncryption
//! │                                      └─2 ServerZerosEncryption
//! └─3 ServerDataEncryptionLevel1
//! ```
//!
//! Text indexes put one level between EDC, ESC, ServerTokenDerivationLevel1 and `w`: the number of
//! the [`TextIndex`]. From `w` on their tokens play the same parts, and have the same types.
//!
//! Some tokens are handed to the server; that is what they are for. All of them are secrets
//! nevertheless: wiped on drop and never printed.

use std::fmt;
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::CryptoError;
use crate::hmac::HmacSha256;

mod values;

pub use values::{FindTokens, InsertTokens};

/// Bytes of a token.
pub const TOKEN_LEN: usize = 32;

/// The tokens at the top of the tree of an index key.
#[derive(Debug)]
pub struct IndexTokens {
    /// Of the encrypted data collection.
    pub edc: EdcToken,
    /// Of the state collection.
    pub esc: EscToken,
    /// Of the compaction collection.
    pub ecoc: EcocToken,
    /// From which the server's tokens of a value are derived.
    pub server_derivation: ServerTokenDerivationLevel1Token,
    /// Under which the server encrypts the client's ciphertext once more.
    pub server_data_encryption: ServerDataEncryptionLevel1Token,
}

impl IndexTokens {
    /// From the last 32 bytes of an index key.
    pub(crate) fn derive(root: &[u8; TOKEN_LEN]) -> Self {
        let root = Token::from(root);
        let collections = CollectionsLevel1Token(root.derive_number(1));
        Self {
            edc: collections.edc(),
            esc: collections.esc(),
            ecoc: collections.ecoc(),
            server_derivation: ServerTokenDerivationLevel1Token(root.derive_number(2)),
            server_data_encryption: ServerDataEncryptionLevel1Token(root.derive_number(3)),
        }
    }
}

/// What a token of a text index matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextIndex {
    /// The whole string.
    Exact = 1,
    /// A piece anywhere in it.
    Substring = 2,
    /// Its end.
    Suffix = 3,
    /// Its begin.
    Prefix = 4,
}

/// The part common to all tokens.
struct Token {
    bytes: Zeroizing<[u8; TOKEN_LEN]>,
    /// For derivation: computed when the first token is derived from this one.
    keyed: OnceLock<HmacSha256>,
}

impl Token {
    fn derive(&self, data: &[u8]) -> Self {
        Self::from(&self.prf([data]))
    }

    fn derive_number(&self, number: u64) -> Self {
        self.derive(&number.to_le_bytes())
    }

    fn keyed(&self) -> &HmacSha256 {
        self.keyed.get_or_init(|| HmacSha256::new(&*self.bytes))
    }

    fn prf<const N: usize>(&self, data: [&[u8]; N]) -> [u8; TOKEN_LEN] {
        self.keyed().mac(data)
    }
}

impl From<&[u8; TOKEN_LEN]> for Token {
    fn from(bytes: &[u8; TOKEN_LEN]) -> Self {
        Self { bytes: Zeroizing::new(*bytes), keyed: OnceLock::new() }
    }
}

/// Declares the tokens' types. A macro, because they differ in nothing but name and meaning, and a
/// generic type over as many markers would put both out of sight.
macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name(Token);

        impl $name {
            /// A token that was derived elsewhere.
            pub fn from_bytes(bytes: &[u8; TOKEN_LEN]) -> Self {
                Self(bytes.into())
            }

            /// The token itself.
            pub fn as_bytes(&self) -> &[u8; TOKEN_LEN] {
                &self.0.bytes
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = CryptoError;

            fn try_from(bytes: &[u8]) -> Result<Self, CryptoError> {
                let actual = bytes.len();
                match bytes.try_into() {
                    Ok(bytes) => Ok(Self::from_bytes(bytes)),
                    Err(_) => Err(CryptoError::KeyLength { expected: TOKEN_LEN, actual }),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    )*};
}

tokens! {
    /// `CollectionsLevel1Token`.
    CollectionsLevel1Token;
    /// `ServerTokenDerivationLevel1Token`.
    ServerTokenDerivationLevel1Token;
    /// `ServerDataEncryptionLevel1Token`.
    ServerDataEncryptionLevel1Token;
    /// `EDCToken`, of the encrypted data collection.
    EdcToken;
    /// `ESCToken`, of the state collection.
    EscToken;
    /// `ECOCToken`, of the compaction collection: the server gets it to compact.
    EcocToken;
    /// `EDCText{Exact,Substring,Suffix,Prefix}Token`.
    EdcTextToken;
    /// `ESCText{Exact,Substring,Suffix,Prefix}Token`.
    EscTextToken;
    /// `ServerText{Exact,Substring,Suffix,Prefix}Token`.
    ServerTextToken;
    /// `EDCDerivedFromDataToken`: the server gets it with a query (`d`).
    EdcDerivedFromDataToken;
    /// `ESCDerivedFromDataToken`: the server gets it with a query (`s`).
    EscDerivedFromDataToken;
    /// `ServerDerivedFromDataToken`: the server gets it with an insert and with a query (`l`).
    ServerDerivedFromDataToken;
    /// `EDCDerivedFromDataTokenAndContentionFactor`: the server gets it with an insert (`d`).
    EdcDerivedFromDataTokenAndContentionFactor;
    /// `ESCDerivedFromDataTokenAndContentionFactor`: the server gets it with an insert (`s`).
    EscDerivedFromDataTokenAndContentionFactor;
    /// `EDCTwiceDerivedToken`, which makes tags.
    EdcTwiceDerivedToken;
    /// `ESCTwiceDerivedTagToken`, which makes ids of state documents.
    EscTwiceDerivedTagToken;
    /// `ESCTwiceDerivedValueToken`, which encrypts state documents.
    EscTwiceDerivedValueToken;
    /// `ServerCountAndContentionFactorEncryptionToken`.
    ServerCountAndContentionFactorEncryptionToken;
    /// `ServerZerosEncryptionToken`.
    ServerZerosEncryptionToken;
    /// `AnchorPaddingRootToken`: the server gets it to compact range and text fields.
    AnchorPaddingRootToken;
    /// `AnchorPaddingKeyToken`, which makes ids of padding documents.
    AnchorPaddingKeyToken;
    /// `AnchorPaddingValueToken`, which encrypts padding documents.
    AnchorPaddingValueToken;
}

impl CollectionsLevel1Token {
    /// Number 1.
    pub fn edc(&self) -> EdcToken {
        EdcToken(self.0.derive_number(1))
    }

    /// Number 2.
    pub fn esc(&self) -> EscToken {
        EscToken(self.0.derive_number(2))
    }

    /// Number 4. Number 3, ECC, was of protocol version 1.
    pub fn ecoc(&self) -> EcocToken {
        EcocToken(self.0.derive_number(4))
    }
}

impl EdcToken {
    /// Of an equality or range index, from value or edge.
    pub fn derived_from_data(&self, data: &[u8]) -> EdcDerivedFromDataToken {
        EdcDerivedFromDataToken(self.0.derive(data))
    }

    /// The level of text indexes.
    pub fn text(&self, index: TextIndex) -> EdcTextToken {
        EdcTextToken(self.0.derive_number(index as u64))
    }
}

impl EscToken {
    /// Of an equality or range index, from value or edge.
    pub fn derived_from_data(&self, data: &[u8]) -> EscDerivedFromDataToken {
        EscDerivedFromDataToken(self.0.derive(data))
    }

    /// The level of text indexes.
    pub fn text(&self, index: TextIndex) -> EscTextToken {
        EscTextToken(self.0.derive_number(index as u64))
    }

    /// For range and text indexes, from 17 zero bytes.
    pub fn anchor_padding_root(&self) -> AnchorPaddingRootToken {
        AnchorPaddingRootToken(self.0.derive(&[0; 17]))
    }
}

impl ServerTokenDerivationLevel1Token {
    /// Of an equality or range index, from value or edge.
    pub fn derived_from_data(&self, data: &[u8]) -> ServerDerivedFromDataToken {
        ServerDerivedFromDataToken(self.0.derive(data))
    }

    /// The level of text indexes.
    pub fn text(&self, index: TextIndex) -> ServerTextToken {
        ServerTextToken(self.0.derive_number(index as u64))
    }
}

impl EdcTextToken {
    /// From the BSON string value of a piece.
    pub fn derived_from_data(&self, data: &[u8]) -> EdcDerivedFromDataToken {
        EdcDerivedFromDataToken(self.0.derive(data))
    }
}

impl EscTextToken {
    /// From the BSON string value of a piece.
    pub fn derived_from_data(&self, data: &[u8]) -> EscDerivedFromDataToken {
        EscDerivedFromDataToken(self.0.derive(data))
    }
}

impl ServerTextToken {
    /// From the BSON string value of a piece.
    pub fn derived_from_data(&self, data: &[u8]) -> ServerDerivedFromDataToken {
        ServerDerivedFromDataToken(self.0.derive(data))
    }
}

impl EdcDerivedFromDataToken {
    /// From the contention factor.
    pub fn and_contention_factor(&self, factor: u64) -> EdcDerivedFromDataTokenAndContentionFactor {
        EdcDerivedFromDataTokenAndContentionFactor(self.0.derive_number(factor))
    }
}

impl EscDerivedFromDataToken {
    /// From the contention factor.
    pub fn and_contention_factor(&self, factor: u64) -> EscDerivedFromDataTokenAndContentionFactor {
        EscDerivedFromDataTokenAndContentionFactor(self.0.derive_number(factor))
    }
}

impl EdcDerivedFromDataTokenAndContentionFactor {
    /// Number 1.
    pub fn twice_derived(&self) -> EdcTwiceDerivedToken {
        EdcTwiceDerivedToken(self.0.derive_number(1))
    }
}

impl EscDerivedFromDataTokenAndContentionFactor {
    /// Number 1.
    pub fn twice_derived_tag(&self) -> EscTwiceDerivedTagToken {
        EscTwiceDerivedTagToken(self.0.derive_number(1))
    }

    /// Number 2.
    pub fn twice_derived_value(&self) -> EscTwiceDerivedValueToken {
        EscTwiceDerivedValueToken(self.0.derive_number(2))
    }
}

impl ServerDerivedFromDataToken {
    /// Number 1.
    pub fn count_and_contention_factor_encryption(
        &self,
    ) -> ServerCountAndContentionFactorEncryptionToken {
        ServerCountAndContentionFactorEncryptionToken(self.0.derive_number(1))
    }

    /// Number 2.
    pub fn zeros_encryption(&self) -> ServerZerosEncryptionToken {
        ServerZerosEncryptionToken(self.0.derive_number(2))
    }
}

impl AnchorPaddingRootToken {
    /// Number 1.
    pub fn key(&self) -> AnchorPaddingKeyToken {
        AnchorPaddingKeyToken(self.0.derive_number(1))
    }

    /// Number 2.
    pub fn value(&self) -> AnchorPaddingValueToken {
        AnchorPaddingValueToken(self.0.derive_number(2))
    }
}

impl EdcTwiceDerivedToken {
    /// The tag of the `count`-th value: it stands in `__safeContent__`, and queries look for it.
    pub fn tag(&self, count: u64) -> [u8; 32] {
        self.0.prf([&count.to_le_bytes()])
    }
}

impl EscTwiceDerivedTagToken {
    /// The id of the state document of the insert at `position`, from 1.
    pub fn non_anchor_id(&self, position: u64) -> [u8; 32] {
        self.0.prf([&position.to_le_bytes()])
    }

    /// The id of the anchor at `position`, from 1; at 0 that of the null anchor.
    pub fn anchor_id(&self, position: u64) -> [u8; 32] {
        self.0.prf([&[0; 8], &position.to_le_bytes()])
    }
}

impl AnchorPaddingKeyToken {
    /// The id of the padding document at `position`, from 1; at 0 that of the null anchor.
    pub fn anchor_id(&self, position: u64) -> [u8; 32] {
        self.0.prf([&[0; 8], &position.to_le_bytes()])
    }
}
