//! 27. String Explicit Encryption: what needs no server.
//!
//! Cases 1 to 6 and 8 to 11 find stored payloads, which needs a server with Queryable Encryption;
//! that their payloads are made, and hold what was encrypted, is tested here.

use bson::{Binary, Bson};
use fieldveil::{
    AffixOptions, Algorithm, ClientEncryption, QueryType, SubstringOptions, TextOptions,
};

use crate::setup::Deployment;

const AFFIX: AffixOptions = AffixOptions { min_query_len: 2, max_query_len: 10 };

async fn setup() -> (Deployment, ClientEncryption, Binary) {
    let deployment = Deployment::new().await;
    let keys = deployment.client_encryption();
    let key = keys.create_data_key("local").await.unwrap();
    (deployment, keys, key)
}

fn by_prefix() -> TextOptions {
    TextOptions { prefix: Some(AFFIX), ..TextOptions::default() }
}

fn by_suffix() -> TextOptions {
    TextOptions { suffix: Some(AFFIX), ..TextOptions::default() }
}

fn by_substring() -> TextOptions {
    let substring = SubstringOptions { max_len: 10, min_query_len: 2, max_query_len: 6 };
    TextOptions { substring: Some(substring), ..TextOptions::default() }
}

#[tokio::test]
async fn payloads_to_insert_hold_the_text() {
    let (_deployment, keys, key) = setup().await;
    let folded = |text| TextOptions { case_sensitive: false, diacritic_sensitive: false, ..text };
    let both = TextOptions { suffix: Some(AFFIX), ..by_prefix() };
    for text in [both, by_substring(), folded(both), folded(by_substring())] {
        let encrypt = keys.encrypt("foobarbaz", key.clone(), Algorithm::String);
        let payload = encrypt.contention_factor(0).text(text).await.unwrap();
        assert_eq!(keys.decrypt(&payload).await.unwrap(), Bson::from("foobarbaz"));
    }
}

#[tokio::test]
async fn cases_1_to_6_payloads_to_find_are_made() {
    let (_deployment, keys, key) = setup().await;
    let queries = [
        (QueryType::Prefix, by_prefix()),
        (QueryType::Suffix, by_suffix()),
        (QueryType::Substring, by_substring()),
    ];
    for (query_type, text) in queries {
        let encrypt = |value| {
            let encrypt = keys.encrypt(value, key.clone(), Algorithm::String);
            encrypt.query_type(query_type).contention_factor(0).text(text)
        };
        assert!(!encrypt("foo").await.unwrap().bytes.is_empty());
        encrypt("f").await.unwrap_err();
    }
}

#[tokio::test]
async fn case_7_the_contention_factor_is_required() {
    let (_deployment, keys, key) = setup().await;
    let encrypt = keys.encrypt("foo", key, Algorithm::String).query_type(QueryType::Prefix);
    let error = encrypt.text(by_prefix()).await.unwrap_err();
    let expected = "contention factor is required for string algorithm";
    assert!(error.to_string().contains(expected), "{error}");
}
