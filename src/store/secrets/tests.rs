use serde_json::json;

use super::*;

#[test]
fn a_secret_is_hidden_as_it_is_and_encoded() {
    remember_setting("secret_access_key", "hidden/by+test=1");
    remember_setting("sas_key", "?sv=1&sig=signed%2Fby%2Btest");
    remember_setting("proxy_url", "http://user:proxied-by-test@host");
    remember_secret("quo\"ted-by-test");
    assert_eq!(
        redacted("<hidden/by+test=1> hidden%2Fby%2Btest%3D1 proxied-by-test"),
        "<(secret)> (secret) (secret)"
    );
    assert_eq!(
        redacted("sv=1&amp;sig=signed%2Fby%2Btest signed/by+test"),
        "sv=1&amp;sig=(secret) (secret)"
    );
    assert_eq!(
        redacted("{\"a\":\"quo\\\"ted-by-test\"}"),
        "{\"a\":\"(secret)\"}"
    );
}

#[test]
fn a_short_secret_is_hidden_where_it_is_a_word() {
    remember_setting("account_key", "q7/x");
    remember_setting("account_key", "Zz9q");
    for (text, shown) in [
        ("Zz9q", "(secret)"),
        ("key:Zz9q\n", "key:(secret)\n"),
        ("a/b?key=Zz9q&c", "a/b?key=(secret)&c"),
        (
            "{\"said\":\"key\\nZz9q\\n\"}",
            "{\"said\":\"key\\n(secret)\\n\"}",
        ),
        ("key%3DZz9q%26", "key%3D(secret)%26"),
        ("aZz9q Zz9q1 Zz9q_rows", "aZz9q Zz9q1 Zz9q_rows"),
        ("q7%2Fx, q7/x", "(secret), (secret)"),
    ] {
        assert_eq!(redacted(text), shown);
    }
}

#[test]
fn what_texts_are_made_of_is_not_hidden_and_no_secret_of_a_store() {
    let option = |secret: &str| [("account_key".to_owned(), secret.to_owned())].into();
    let remembered = |options: std::collections::BTreeMap<String, String>| remember(&options);
    for secret in ["abc", "1234", "20.5e3", "true", "null", "secret"] {
        assert_eq!(remembered(option(secret)), Err("account_key".to_owned()));
    }
    assert!(is_read("AZURE_STORAGE_ACCOUNT_KEY") && is_read("AWS_SESSION_TOKEN"));
    assert!(!is_read("AZURE_KEYVAULT_NAME"));
    assert!(remember_setting("aws_sse_bucket_key_enabled", "true"));
    assert_eq!(remembered(option("")), Ok(()));
    assert_eq!(remembered(option("l0ng")), Ok(()));
    let text = "abc 1234 20.5e3 true null secret";
    assert_eq!(redacted(text), text);
}

#[test]
fn a_header_is_a_secret_where_it_is_called_so_or_long() {
    for (name, value) in [
        ("x-tenant", "t3nA"),
        ("x-team", "team-of-a-test"),
        ("x-api-key", "aK3y"),
        ("Authorization", "Basic bA5e"),
    ] {
        assert!(remember_header(name, value), "{name}");
    }
    assert!(!remember_header("x-api-key", "aK3"));
    assert!(!remember_header("Authorization", "Basic bA"));
    assert!(remember_header("x-tenant", "12"));
    assert_eq!(
        redacted("t3nA team-of-a-test aK3y bA5e"),
        "t3nA (secret) (secret) (secret)"
    );
}

#[test]
fn files_that_hold_credentials_are_known() {
    for name in [
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "container_authorization_token_file",
        "azure_federated_token_file",
        "GOOGLE_SERVICE_ACCOUNT",
        "SERVICE_ACCOUNT",
        "service_account_path",
        "google_application_credentials",
    ] {
        assert!(names_file(name), "{name}");
    }
    assert!(!names_file("service_account_key"));
}

#[test]
fn what_a_file_holds_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    // Nothing is there yet.
    remember_setting("web_identity_token_file", path.to_str().unwrap());
    remember_file(folder.path());
    std::fs::write(&path, "token-of-test\n").unwrap();
    remember_setting("web_identity_token_file", path.to_str().unwrap());
    let account = "{\"type\": \"service_account\", \"private_key_id\": \"id-of-test\",
        \"private_key\": \"-----BEGIN KEY-----\\nfirst-of-test\\nsecond+of+test\\n-----END KEY-----\\n\",
        \"source\": {\"refresh_token\": \"refreshed-by-test\"}}";
    std::fs::write(&path, account).unwrap();
    remember_setting("SERVICE_ACCOUNT", path.to_str().unwrap());
    remember_setting(
        "service_account_key",
        "{\"private_key\": \"within-a-test\"}",
    );
    assert_eq!(
        redacted("token-of-test id-of-test first-of-test second%2Bof%2Btest"),
        "(secret) id-of-test (secret) (secret)"
    );
    assert_eq!(
        redacted("-----BEGIN KEY-----\\nfirst-of-test\\nsecond+of+test\\n-----END KEY-----\\n"),
        "(secret)"
    );
    assert_eq!(
        redacted("refreshed-by-test, within-a-test, service_account"),
        "(secret), (secret), service_account"
    );
}

#[test]
fn of_json_the_texts_alone_are_hidden() {
    for secret in ["nameOfATest", "730519284416", "said-by-a-test"] {
        remember_secret(secret);
    }
    let told = json!({
        "nameOfATest": "no \"said-by-a-test\": wrong",
        "rows": [730_519_284_416_i64, { "rows": 730_519_284_416_i64, "is": true }, null],
        "texts": ["is_nameOfATest", { "inner": "{\"b\":730519284416}" }],
    });
    let shown = json!({
        "nameOfATest": "no \"(secret)\": wrong",
        "rows": [730_519_284_416_i64, { "rows": 730_519_284_416_i64, "is": true }, null],
        "texts": ["is_(secret)", { "inner": "{\"b\":(secret)}" }],
    });
    assert_eq!(redacted_json(told), shown);
}

#[test]
fn a_number_is_hidden_where_it_is_a_word() {
    remember_secret("640517283945");
    for (text, shown) in [
        (
            "part-1640517283945_640517283945.csv 6405172839450",
            "part-1640517283945_640517283945.csv 6405172839450",
        ),
        ("password=640517283945&b", "password=(secret)&b"),
        ("[640517283945, 1]", "[(secret), 1]"),
    ] {
        assert_eq!(redacted(text), shown);
    }
}

#[test]
fn lists_of_json_are_secret_by_their_names() {
    remember_setting(
        "service_account_key",
        "{\"tokens\": [\"listed-by-test\", [\"nested-by-test\"], {\"type\": \"typed-by-test\"}],
        \"scopes\": [\"scoped-by-test\"]}",
    );
    remember_setting("session_token", "[\"alone-in-a-test\"]");
    assert_eq!(
        redacted("listed-by-test nested-by-test typed-by-test scoped-by-test alone-in-a-test"),
        "(secret) (secret) typed-by-test scoped-by-test (secret)"
    );
}
