use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::{Keypair, Verifier};

use super::*;
use crate::Endpoint;
use crate::encoding::{from_base64, from_base64url};

/// A key made for this test: RSA with 2048 bits, PKCS#8.
const KEY: &str = "\
    MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDGnR+mxanauoH5k2eVdsRsVGga \
    z36Zg5BKE80fLFxczutIFl6rGtuYyxzbEkgokCnMv2n0T5AdSeb3JlI6UtEweromWl2Paa479Z1E \
    CqIMm9DDVyL4AMP8Ka0HSgbrpj/smAOUH52i/TNrJxeHZRMBvQY3U/PIU8kKte4c5RvesEuY5njE \
    B/hpUBmOas+jMN8dVlRkAg9AXBtTDVE9iThX1Xv5Rcv45kRrulXyY+tlt/NTawRJ2m9HnDwOMBkr \
    4RWVJ86SIRFFMVmtQ2ND0v13HXCTld6mT4vaGxjMyfYC/CeHyxiGAjYYWPXW62Ph9meP31zyPrFB \
    RnBi9UT2CoL3AgMBAAECggEAQkZ6Il+BL3DfIFYU0aZBI1kDKDcnKrjhNCbpYsadx4ZwsqxsSLJ8 \
    pr7YUS4HkCmTGTSieZj3IR7hCIXsGHQ8Q+4gId4zrEB6mJ18LhFSQ9zWy+hOze0LeSC7EVyddJMU \
    b7HGN+5Y3uOY/d+clVyf/AuEgH/uMGHtCzrsSw4Uv7kDuxTCzdIvPrlsCXdTE8gf0wOehEtJ1tuF \
    d+A6rAsuizTrRgTJePSSuc0zs/T8NTldKe4Xdsw6eh/j9FlPbZc4irlVRmMr+VuYGv1tK4z8Zb+s \
    K9SpSS5vY6vERtO8HEP2YSiIrNAazjeRfZbDwBfHpJIV0Y83lIN4m0VJpKZuwQKBgQDuETZt4FkY \
    8fKW/psRlcMop0P7Trtb/ig5f3MNtO9Hd5BXUq8gzylo8JCDs5FRRFhz+Qk1YxFTY2SDVSl0JgLQ \
    G2pGlZcmhBWBoXPQ7RqUoXVeFJEiwIBgnALt4tBFhHSQBG9diCahpvV3O5UxIFon0wcTUwmTYKRP \
    ErSuM03eoQKBgQDVkxtmdYp0Xldy9Xl2Wf7fYk5/zsvU72zCEzeHRf7aIGn2/2/YdPLcdcSI0rWF \
    s2lHef9GDBKwqOYSIYLfPQUHVCRVemKsjcVgoyz+8qqwy36uN1IfFcW0J83hrIGz9ZFb3omzvdP/ \
    sK3R3sW6zk4jMbWxDJasZum8GBl63ajylwKBgFe5Bfpk4c/cT4yuEsvfCIOxZs5yi31xYLcXLHkP \
    g+AswYY71IZdb5/YjRfKkjCE46cQTAFdGORGSqJOPjErVHwErhuGQaUSpK4YpQmGZPYBrLLXF0fb \
    8TIoKrgnjKEhFqZ+y96GLd4BHJAr52SrzCzCiOfpAC1LPiBY/zT1eKshAoGBAJBXL3l7jus+p1Nm \
    W4SFJh/KzMrL9C4g8hvn6OtffvHkXjk0QV7FCy272euunEeUDV7lMIUiu67xNyyhwVUmZDOjxjqO \
    0AlWd0LshQh48KsznJYZhULE8CzlidsvPylkmazBJcd4T8LKoW7pZDDwJRbcDbNukpZJp0Yb83x6 \
    OihZAoGBAOwlsulL5IKTlSUCrQnLzznxqoh8iG2zUtctytZtzrQxGcxIglw/TiL8shMo/3286NR0 \
    M4jF4xENyaYvrGun0xI/BNGCCTyqVyhxnmMd3LtxXFQvRc2yE2/I+QI0ci7Ic2aSzYQ0+8lklrpu \
    LylboyifvsJwQKU8gr6XncmGOLdh";

fn account() -> GcpServiceAccount {
    let key: String = KEY.split_whitespace().collect();
    GcpServiceAccount {
        email: "me@example.com".into(),
        private_key: from_base64(&key).unwrap().into(),
        endpoint: None,
    }
}

fn key() -> GcpKey {
    GcpKey {
        project_id: "p".into(),
        location: "global".into(),
        key_ring: "r".into(),
        key_name: "k".into(),
        key_version: Some("7".into()),
        endpoint: None,
    }
}

fn text(draft: &Draft) -> &str {
    std::str::from_utf8(draft.message.expose()).unwrap()
}

#[test]
fn token_request_carries_a_signed_assertion() {
    let draft = token(&account(), &key(), 1_700_000_000_500, &NativeSigner).unwrap();
    assert_eq!(draft.endpoint, "oauth2.googleapis.com:443");
    let (head, body) = text(&draft).split_once("\r\n\r\n").unwrap();
    assert_eq!(
        head,
        format!(
            "POST /token HTTP/1.1\r\n\
             Accept:application/json\r\n\
             Connection:close\r\n\
             Content-Length:{}\r\n\
             Content-Type:application/x-www-form-urlencoded\r\n\
             Host:oauth2.googleapis.com",
            body.len()
        )
    );
    let assertion = body
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let claims = from_base64url(signed.split_once('.').unwrap().1).unwrap();
    assert_eq!(
        std::str::from_utf8(&claims).unwrap(),
        "{\"iss\": \"me@example.com\", \"aud\": \"https://oauth2.googleapis.com/token\", \
         \"scope\": \"https://www.googleapis.com/auth/cloudkms\", \"iat\": 1700000000, \
         \"exp\": 1700000300}"
    );
    let private = PrivateKey::from_pkcs8_der(account().private_key.expose()).unwrap();
    let public: VerifyingKey<Sha256> = SigningKey::<Sha256>::new(private).verifying_key();
    let signature = from_base64url(signature).unwrap();
    public.verify(signed.as_bytes(), &Signature::try_from(signature.as_slice()).unwrap()).unwrap();
}

#[test]
fn endpoints_change_host_audience_and_scope() {
    let mut account = account();
    account.endpoint = Some(Endpoint::parse("oauth.example.com:8443").unwrap());
    let mut key = key();
    key.endpoint = Some(Endpoint::parse("kms.example.org").unwrap());
    struct Echo;
    impl Rs256Signer for Echo {
        fn sign(&self, _: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
            Ok(message.to_vec())
        }
    }
    let draft = token(&account, &key, 0, &Echo).unwrap();
    assert_eq!(draft.endpoint, "oauth.example.com:8443");
    let signature = text(&draft).rsplit_once('.').unwrap().1;
    let message = String::from_utf8(from_base64url(signature).unwrap().to_vec()).unwrap();
    let claims = from_base64url(message.split_once('.').unwrap().1).unwrap();
    let claims = String::from_utf8(claims.to_vec()).unwrap();
    assert!(claims.contains("\"https://oauth.example.com/token\""), "{claims}");
    assert!(claims.contains("\"https://www.example.org/auth/cloudkms\""), "{claims}");
}

#[test]
fn a_key_that_is_none_is_an_error() {
    let mut account = account();
    account.private_key = crate::SecretBytes::new(b"no key".to_vec());
    let error = token(&account, &key(), 0, &NativeSigner).err().unwrap().to_string();
    assert!(error.contains("Failed to create GCP oauth request signature"), "{error}");
}

#[test]
fn encrypt_request_is_exact_and_only_it_names_the_version() {
    let token = SecretText::new("T".into());
    let draft = encrypt(&key(), &token, b"foo").unwrap();
    assert_eq!(draft.endpoint, "cloudkms.googleapis.com:443");
    assert_eq!(
        text(&draft),
        "POST /v1/projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/7:encrypt \
         HTTP/1.1\r\n\
         Accept:application/json\r\n\
         Authorization:Bearer T\r\n\
         Connection:close\r\n\
         Content-Length:21\r\n\
         Content-Type:application/json\r\n\
         Host:cloudkms.googleapis.com\r\n\
         \r\n\
         {\"plaintext\": \"Zm9v\"}"
    );
    let draft = decrypt(&key(), &token, b"foo").unwrap();
    assert!(text(&draft).starts_with(
        "POST /v1/projects/p/locations/global/keyRings/r/cryptoKeys/k:decrypt HTTP/1.1\r\n"
    ));
    assert!(text(&draft).ends_with("\r\n\r\n{\"ciphertext\": \"Zm9v\"}"));
}

#[test]
fn identifiers_cannot_change_the_path() {
    let mut key = key();
    key.key_ring = "a/../b".into();
    assert_eq!(
        encrypt(&key, &SecretText::new("T".into()), b"foo").err().unwrap().to_string(),
        "error constructing GCP KMS encrypt message: Invalid character in GCP KMS key identifier: \
         keyRing"
    );
}
