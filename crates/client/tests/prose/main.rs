//! The prose tests of MongoDB's driver specification "Client-Side Encryption", in its numbering.
//!
//! Written from what the specification requires; keys, documents and expected values are ours. All of
//! it runs against the embedded server and key services that the tests play themselves, so it needs
//! no account anywhere.
//!
//! | number | subject | here |
//! | --- | --- | --- |
//! | 1 | Custom key material | `p01_custom_key_material` |
//! | 2 | Data key and double encryption | `p02_data_key_and_double_encryption` |
//! | 3 | External key vault | `p03_external_key_vault` |
//! | 4 | BSON size limits and batch splitting | `p04_bson_size_limits` |
//! | 5 | Views are prohibited | `p05_views_are_prohibited` |
//! | 6 | Corpus | `p06_corpus` |
//! | 8 | Bypass spawning mongocryptd | `p08_bypass_spawning_mongocryptd` |
//! | 9 | Deadlock | `p09_deadlock` |
//! | 12 | Explicit encryption | `p12_explicit_encryption`: the round trips. Its finds need a server with Queryable Encryption |
//! | 13 | Unique index on `keyAltNames` | `p13_unique_index_on_key_alt_names` |
//! | 14 | Decryption events | `p14_decryption_events` |
//! | 16 | Rewrap | `p16_rewrap` |
//! | 22 | Range explicit encryption | `p22_range_explicit_encryption`: payloads and refusals. Its finds need a server with Queryable Encryption |
//! | 23 | Range explicit encryption applies defaults | `p23_range_defaults` |
//! | 25 | `$lookup` | `p25_lookup`: the joins of collections without Queryable Encryption |
//! | 27 | String explicit encryption | `p27_string_explicit_encryption`: payloads and refusals. Its finds need a server with Queryable Encryption |
//!
//! Left out:
//!
//! - 19, Azure credentials of a machine: needs a virtual machine of Azure. The answers of its
//!   metadata service are tested under 18.
//! - 20, No mongocryptd client beside the shared library: there is no client for it to be made; 8 shows
//!   that there is no mongocryptd either.
//! - 21, Automatic data encryption keys: creates collections with Queryable Encryption, which the
//!   embedded server does not have.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod p01_custom_key_material;
mod p02_data_key_and_double_encryption;
mod p03_external_key_vault;
mod p04_bson_size_limits;
mod p05_views_are_prohibited;
mod p06_corpus;
mod p08_bypass_spawning_mongocryptd;
mod p09_deadlock;
mod p12_explicit_encryption;
mod p13_unique_index_on_key_alt_names;
mod p14_decryption_events;
mod p16_rewrap;
mod p22_range_explicit_encryption;
mod p23_range_defaults;
mod p25_lookup;
mod p27_string_explicit_encryption;
mod setup;
#[path = "../common/values.rs"]
mod values;
