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
            "{\"said\":\"key\\nZz9q\\n\",\"Zz9q\":1}",
            "{\"said\":\"key\\n(secret)\\n\",\"Zz9q\":1}",
        ),
        ("key%3DZz9q%26", "key%3D(secret)%26"),
        ("rows{Zz9q=\"Zz9q\"} 1", "rows{Zz9q=\"(secret)\"} 1"),
        ("aZz9q Zz9q1 Zz9q_rows", "aZz9q Zz9q1 Zz9q_rows"),
        ("q7%2Fx, q7/x", "(secret), (secret)"),
    ] {
        assert_eq!(redacted(text), shown);
    }
}

#[test]
fn what_json_and_texts_are_made_of_is_not_hidden() {
    for secret in ["", "abc", "1234", "20.5e3", "true", "null", "secret"] {
        remember_secret(secret);
    }
    let text = "{\"rows\":1234,\"is\":true,\"abc\":null,\"at\":\"1234-20.5e3 secret\"}";
    assert_eq!(redacted(text), text);
}

#[test]
fn a_header_is_a_secret_where_it_is_called_so_or_long() {
    remember_header("x-tenant", "t3nA");
    remember_header("x-team", "team-of-a-test");
    remember_header("x-api-key", "aK3y");
    remember_header("Authorization", "Basic bA5e");
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
fn a_secret_of_any_length_leaves_json_and_metrics_what_they_are() {
    for secret in ["nameOfATest", "730519284416", "said-by-a-test"] {
        remember_secret(secret);
    }
    for text in [
        "{\"nameOfATest\":1,\"nameOfATests\": 2, \"aNameOf\":3}",
        "rows{a=\"b\",nameOfATest=\"c\"} 730519284416",
        "{\"rows\":730519284416,\"more\": 730519284416}",
        "{\"a\":-730519284416.5,\"b\":0.730519284416,\"c\":[1730519284416]}",
        "part-1730519284416_730519284416.csv 7305192844160",
    ] {
        assert_eq!(redacted(text), text);
    }
    for (text, shown) in [
        ("{\"a\":\"nameOfATest\"}", "{\"a\":\"(secret)\"}"),
        ("rows{a=\"nameOfATest\"} 1", "rows{a=\"(secret)\"} 1"),
        ("no \"said-by-a-test\": wrong", "no \"(secret)\": wrong"),
        ("is_nameOfATest", "is_(secret)"),
        ("{\"a\":\"730519284416\"}", "{\"a\":\"(secret)\"}"),
        ("password=730519284416&b", "password=(secret)&b"),
        (
            "{\"a\":\"{\\\"b\\\":730519284416}\"}",
            "{\"a\":\"{\\\"b\\\":(secret)}\"}",
        ),
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
