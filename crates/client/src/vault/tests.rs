//! Vault played by a script on loopback.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// Answers one request after the other, and gives back what was asked.
async fn vault(answers: Vec<(u16, String)>) -> (VaultBuilder, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            requests.push(read(&mut stream).await);
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (Vault::builder(address), served)
}

async fn read(stream: &mut tokio::net::TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(request.clone()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn ok(body: String) -> (u16, String) {
    (200, body)
}

fn encoded() -> String {
    STANDARD.encode((0..96).collect::<Vec<u8>>())
}

fn kv_reply(key: &str) -> (u16, String) {
    ok(format!(
        r#"{{"lease_id": "", "data": {{"data": {{"other": 1, "master_key": "{key}"}},
            "metadata": {{"version": 3, "destroyed": false}}}}, "warnings": null}}"#
    ))
}

fn secret() -> KvSecret {
    KvSecret::new("secret", "team/fieldveil", "master_key")
}

fn transit() -> TransitKey {
    TransitKey::new("transit", "fieldveil")
}

async fn read_with(answers: Vec<(u16, String)>) -> Result<LocalKey, VaultError> {
    let (builder, _served) = vault(answers).await;
    builder.auth(VaultAuth::token("hvs.T")).build()?.read_local_key(&secret()).await
}

#[tokio::test]
async fn kv_gives_the_master_key_of_a_version() {
    let (builder, served) = vault(vec![kv_reply(&encoded())]).await;
    let vault = builder.auth(VaultAuth::token("hvs.T")).namespace("admin/team").build().unwrap();
    let key = vault.read_local_key(&secret().version(3)).await.unwrap();
    assert_eq!(key.expose(), (0..96).collect::<Vec<u8>>());
    let request = served.await.unwrap().remove(0);
    assert!(request.starts_with("GET /v1/secret/data/team/fieldveil?version=3 HTTP/1.1\r\n"));
    assert!(request.contains("X-Vault-Token: hvs.T\r\n"), "{request}");
    assert!(request.contains("X-Vault-Namespace: admin/team\r\n"), "{request}");
    assert!(request.contains("X-Vault-Request: true\r\n"), "{request}");
}

#[tokio::test]
async fn app_role_logs_in_first() {
    let login = ok(r#"{"auth": {"client_token": "hvs.new", "lease_duration": 60}}"#.to_owned());
    let (builder, served) = vault(vec![login, kv_reply(&encoded())]).await;
    let auth = VaultAuth::app_role("role", "se\"cret");
    builder.auth(auth).build().unwrap().read_local_key(&secret()).await.unwrap();
    let requests = served.await.unwrap();
    assert!(requests[0].starts_with("POST /v1/auth/approle/login HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(!requests[0].contains("X-Vault-Token"));
    assert!(requests[0].ends_with(r#"{"role_id": "role", "secret_id": "se\"cret"}"#));
    assert!(requests[1].contains("X-Vault-Token: hvs.new\r\n"));
}

#[tokio::test]
async fn transit_wraps_and_unwraps() {
    let (builder, served) = vault(vec![
        ok(r#"{"data": {"ciphertext": "vault:v1:c2VhbGVk", "key_version": 1}}"#.to_owned()),
        ok(format!(r#"{{"data": {{"plaintext": "{}"}}}}"#, encoded())),
    ])
    .await;
    let vault = builder.auth(VaultAuth::token("hvs.T")).build().unwrap();
    let key = LocalKey::decode(encoded().as_bytes(), || "the test".to_owned()).unwrap();
    let ciphertext = vault.wrap_local_key(&transit(), &key).await.unwrap();
    assert_eq!(ciphertext, "vault:v1:c2VhbGVk");
    let unwrapped = vault.unwrap_local_key(&transit(), &format!("{ciphertext}\n")).await.unwrap();
    assert_eq!(unwrapped.expose(), key.expose());
    let requests = served.await.unwrap();
    assert!(requests[0].starts_with("POST /v1/transit/encrypt/fieldveil HTTP/1.1\r\n"));
    assert!(requests[0].ends_with(&format!(r#"{{"plaintext": "{}"}}"#, encoded())));
    assert!(requests[1].starts_with("POST /v1/transit/decrypt/fieldveil HTTP/1.1\r\n"));
    assert!(requests[1].ends_with(r#"{"ciphertext": "vault:v1:c2VhbGVk"}"#), "{}", requests[1]);
}

#[tokio::test]
async fn a_new_master_key_never_replaces_another() {
    let taken = "check-and-set parameter did not match the current version";
    let (builder, served) = vault(vec![
        ok(r#"{"data": {"version": 1}}"#.to_owned()),
        (400, format!(r#"{{"errors": ["{taken}"]}}"#)),
    ])
    .await;
    let vault = builder.auth(VaultAuth::token("hvs.T")).build().unwrap();
    let key = LocalKey::generate().unwrap();
    vault.write_local_key(&secret(), &key).await.unwrap();
    let error = vault.write_local_key(&secret(), &key).await.unwrap_err();
    assert!(matches!(error, VaultError::Exists { .. }), "{error}");
    let request = served.await.unwrap().remove(0);
    assert!(request.starts_with("POST /v1/secret/data/team/fieldveil HTTP/1.1\r\n"));
    assert!(request.contains(r#"{"options": {"cas": 0}, "data": {"master_key": ""#), "{request}");
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let errors = |text: &str| format!(r#"{{"errors": ["{text}"]}}"#);
    for (status, body, expected) in [
        (503, errors("Vault is sealed"), "vault operator unseal"),
        (503, "upstream".to_owned(), "with status 503: (no reason given)"),
        (403, errors("permission denied"), "the token may have expired"),
        (404, r#"{"errors": []}"#.to_owned(), "Vault has nothing at secret/data/team/fieldveil"),
        (404, r#"{"data": {"data": null}}"#.to_owned(), "that the version was not deleted"),
        (307, String::new(), "standby"),
        (400, errors("invalid role or secret ID"), "invalid role or secret ID"),
        (429, String::new(), "with status 429"),
    ] {
        let error = read_with(vec![(status, body)]).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_holds_no_master_key_is_refused_and_not_shown() {
    let short = STANDARD.encode(b"hunter2 hunter2");
    for (body, expected) in [
        (kv_reply(&short).1, "15 bytes: a local master key is 96 bytes"),
        (kv_reply("hunter2!").1, "a local master key is 96 bytes"),
        (r#"{"data": {"data": {"master_key": "hunter2"#.to_owned(), "lacks the field"),
        (r#"{"data": {"data": {"master_key": ["hunter2"]}}}"#.to_owned(), "'master_key'"),
        (r#"{"data": {"data": {"masterkey": "hunter2"}}}"#.to_owned(), "'master_key'"),
        (r#"{"data": {"data": null}}"#.to_owned(), "'master_key'"),
        (String::new(), "'master_key'"),
    ] {
        let error = read_with(vec![ok(body)]).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("hunter2") && !text.contains(&short), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_says_nothing_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let build = || {
        let builder = Vault::builder(&address).auth(VaultAuth::token("hvs.T"));
        builder.timeout(Duration::from_millis(50)).build().unwrap()
    };
    // Connections are accepted by the system, and nobody reads.
    let error = build().read_local_key(&secret()).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 0.05 s"), "{error}");
    drop(listener);
    let error = build().read_local_key(&secret()).await.unwrap_err();
    assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[test]
fn settings_are_checked_before_anything_is_sent() {
    let builder = || Vault::builder("https://vault");
    assert!(matches!(builder().build(), Err(VaultError::NoAuth)));
    for token in ["", "a b", "a\r\nX-Vault-Policy-Override: true"] {
        let error = builder().auth(VaultAuth::token(token)).build().unwrap_err();
        assert!(matches!(error, VaultError::Character { what: "token" }), "{error}");
    }
    let error = builder().auth(VaultAuth::token("t")).namespace("a\nb").build().unwrap_err();
    assert!(matches!(error, VaultError::Character { what: "namespace" }), "{error}");
    let mut insecure = mongodb::options::TlsOptions::default();
    insecure.allow_invalid_certificates = Some(true);
    let error = builder().auth(VaultAuth::token("t")).tls_options(insecure).build().unwrap_err();
    assert!(error.to_string().contains("Insecure TLS options prohibited"), "{error}");
}

#[test]
fn debug_shows_no_secret() {
    let builder = || Vault::builder("https://vault");
    for auth in [VaultAuth::token("hunter2"), VaultAuth::app_role("hunter2", "hunter2")] {
        let builder = builder().auth(auth);
        let shown = format!("{builder:?}");
        let text = format!("{shown} {:?}", builder.build().unwrap());
        assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");
    }
}
