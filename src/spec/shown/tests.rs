use super::{hidden, is_secret};

fn shown(line: &str) -> String {
    let text = format!("stores:\n{line}\n  region: eu\n");
    let (shown, _) = hidden(&text).unwrap_or((text.clone(), Vec::new()));
    assert_eq!(shown.len(), text.len(), "{line}");
    let within = shown.strip_prefix("stores:\n").unwrap();
    within.strip_suffix("\n  region: eu\n").unwrap().to_owned()
}

#[test]
fn secrets_are_named_so() {
    for name in [
        "AWS_SECRET_ACCESS_KEY",
        "session_token",
        "sas_key",
        "account_key",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in [
        "AWS_ACCESS_KEY_ID",
        "endpoint",
        "region",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn what_is_secret_by_its_name_is_not_shown() {
    for (line, expected) in [
        ("  secret_access_key: abc", "  secret_access_key: ***"),
        ("  secret_access_key: *abc", "  secret_access_key: ****"),
        ("  secret_access_key: a: b", "  secret_access_key: ****"),
        ("  secret_access_key:abc", "  secret_access_key:***"),
        ("  secret_access_key abc", "  secret_access_key ***"),
        ("  \"sas_token\" = 'abc'", "  \"sas_token\" = '***'"),
        ("  secret_acces_key: \"abc", "  secret_acces_key: \"***"),
        ("  token: 'it''s'", "  token: '*****"),
        ("  token: [abc, def]", "  token: [********]"),
        ("  token: \"\u{e9}\"", "  token: \"**\""),
        (
            "o: { token: \"a,b: c\", region: [a }",
            "o: { token: \"******\", region: [a }",
        ),
        (
            "o: { token: abc, region: [a }",
            "o: { token: ***, region: [a }",
        ),
        ("  o: { token: a,b } # c", "  o: { token: *******"),
    ] {
        let expected = expected.to_owned();
        let found = shown(line);
        // Of the last, what stands behind the value cannot be told from it.
        assert!(found.starts_with(&expected), "{line} is shown as {found}");
        assert!(!found.contains("abc"), "{line} is shown as {found}");
    }
}

#[test]
fn a_value_may_go_on_below() {
    assert_eq!(
        shown("  token: |\n    abc\n\n    def\n  path: x"),
        "  token: *\n    ***\n\n    ***\n  path: x"
    );
    assert_eq!(
        shown("  - token:\n      abc\n    path: x"),
        "  - token:\n      ***\n    path: x"
    );
}

#[test]
fn what_is_no_secret_is_shown() {
    for line in [
        "  secret_access_key: \"${LAKE_SECRET}\"",
        "  secret_access_key: ${file:/run/secrets/lake_key}",
        "  access_key_id: abc",
        "  url: abfss://lake@account.dfs.core.windows.net/raw",
        "  key: [order_id]",
        "  path: raw/token/a@2.csv",
    ] {
        assert_eq!(shown(line), line);
    }
    let default = shown("  token: ${TOKEN:-abc}");
    assert_eq!(default, "  token: ${TOKEN:-***}");
    assert!(hidden("key: [a]\nprimary_key: b\n").is_none());
}

#[test]
fn a_url_is_shown_without_its_secrets() {
    for (line, expected) in [
        (
            "  url: s3://key:abc@lake/raw",
            "  url: s3://key:***@lake/raw",
        ),
        ("  url: \"s3://abc@lake\"", "  url: \"s3://***@lake\""),
        ("  url: s3:/key:a/b@lake", "  url: s3:********@lake"),
        (
            "  url: https://host/raw?sig=abc",
            "  url: https://host/raw?*******",
        ),
    ] {
        assert_eq!(shown(line), expected);
    }
}

#[test]
fn a_misspelt_word_shows_no_secret() {
    for (text, expected) in [
        (
            "store:\n  lake: { url: \"s3://key:abc@lake\" }\n",
            "store:\n  lake: { url: \"s3://key:***@lake\" }\n",
        ),
        ("lake: s3:/key:abc@lake\n", "lake: s3:********@lake\n"),
        (
            "store:\n  url: s3://lake\n  token: abc\n",
            "store:\n  url: s3://lake\n  token: ***\n",
        ),
        ("option: { token: abc }\n", "option: { token: *** }\n"),
    ] {
        let (shown, _) = hidden(text).unwrap();
        assert_eq!(shown, expected);
    }
    assert!(hidden("store: lake\ncolumns: { token: abc }\n").is_none());
}

#[test]
fn secrets_come_with_the_text_for_messages() {
    let (_, secrets) = hidden("stores:\n  token: 'a\"bcd'\n  sas_key: abc\n").unwrap();
    assert_eq!(secrets, ["a\\\"bcd", "a\"bcd"]);
}
