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
//! | 7 | Custom endpoint | `p07_custom_endpoint` |
//! | 8 | Bypass spawning mongocryptd | `p08_bypass_spawning_mongocryptd` |
//! | 9 | Deadlock | `p09_deadlock` |
//! | 10 | KMS TLS | `p10_kms_tls` |
//! | 11 | KMS TLS options | `p11_kms_tls_options` |
//! | 12 | Explicit encryption | `p12_explicit_encryption`: the round trips. Its finds need a server with Queryable Encryption |
//! | 13 | Unique index on `keyAltNames` | `p13_unique_index_on_key_alt_names` |
//! | 14 | Decryption events | `p14_decryption_events` |
//! | 15 | On-demand AWS credentials | `p15_on_demand_aws` |
//! | 16 | Rewrap | `p16_rewrap` |
//! | 17 | On-demand GCP credentials | `p17_on_demand_gcp` |
//! | 18 | Azure IMDS credentials | `p18_*` in `src/kms/credentials/tests.rs`: where the service is cannot be set from outside |
//! | 22 | Range explicit encryption | `p22_range_explicit_encryption`: payloads and refusals. Its finds need a server with Queryable Encryption |
//! | 23 | Range explicit encryption applies defaults | `p23_range_defaults` |
//! | 24 | KMS retry | `p24_kms_retry` |
//! | 25 | `$lookup` | `p25_lookup`: the joins of collections without Queryable Encryption |
//! | 26 | Custom AWS credentials | `p26_custom_aws_credentials` |
//! | 27 | String explicit encryption | `p27_string_explicit_encryption`: payloads and refusals. Its finds need a server with Queryable Encryption |
//! | 28 | KMS connect callback | `p28_kms_connect_callback` |
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
mod p07_custom_endpoint;
mod p08_bypass_spawning_mongocryptd;
mod p09_deadlock;
mod p10_kms_tls;
mod p11_kms_tls_options;
mod p12_explicit_encryption;
mod p13_unique_index_on_key_alt_names;
mod p14_decryption_events;
mod p15_on_demand_aws;
mod p16_rewrap;
mod p17_on_demand_gcp;
mod p22_range_explicit_encryption;
mod p23_range_defaults;
mod p24_kms_retry;
mod p25_lookup;
mod p26_custom_aws_credentials;
mod p27_string_explicit_encryption;
mod p28_kms_connect_callback;
#[path = "../common/search.rs"]
mod search;
mod secrets;
mod services;
mod setup;
#[path = "../common/values.rs"]
mod values;
