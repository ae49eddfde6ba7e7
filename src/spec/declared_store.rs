//! A store as a pipeline declares it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// An object store.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreDeclaration {
    /// `s3://bucket/prefix`, `gs://…`, `az://…`, `https://…` or `file:path` (relative to the project).
    pub url: String,
    /// Options of the store such as `endpoint` or `region`; credentials better stay in the environment.
    #[serde(default, deserialize_with = "texts")]
    #[schemars(with = "BTreeMap<String, OptionText>")]
    pub options: BTreeMap<String, String>,
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let options = BTreeMap::<String, OptionText>::deserialize(deserializer)?;
    Ok(options
        .into_iter()
        .map(|(name, OptionText(text))| (name, text))
        .collect())
}

/// The value of an option. Options are texts; what YAML takes for a number or a boolean is one too, as in `max_retries: 0`. Digits with
/// a leading zero are to be quoted: YAML takes them for a number.
struct OptionText(String);

impl<'de> Deserialize<'de> for OptionText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = OptionText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a boolean")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<OptionText, E> {
                Ok(OptionText(value.to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<OptionText, E> {
                Ok(OptionText(value.to_string()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<OptionText, E> {
                Ok(OptionText(value.to_string()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<OptionText, E> {
                Ok(OptionText(value.to_owned()))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

impl JsonSchema for OptionText {
    fn schema_name() -> Cow<'static, str> {
        "OptionText".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::spec::problem::{Problem, SourceText};
    use crate::spec::yaml::decode;

    fn read(options: &str) -> Result<StoreDeclaration, Vec<Problem>> {
        let file = Arc::new(SourceText {
            path: "a.yml".into(),
            text: format!("url: s3://lake\noptions: {options}\n"),
        });
        decode(&file, &|_| None)
    }

    #[test]
    fn an_option_may_be_a_number_or_a_boolean() {
        let options =
            "{ max_retries: 0, allow_http: true, share: 0.5, timeout: 30 second, key: \"007\" }";
        let found: Vec<(String, String)> = read(options).unwrap().options.into_iter().collect();
        let expected = [
            ("allow_http", "true"),
            ("key", "007"),
            ("max_retries", "0"),
            ("share", "0.5"),
            ("timeout", "30 second"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_option_is_one_value() {
        let told = |options: &str| read(options).unwrap_err().remove(0).message;
        assert_eq!(
            told("{ region: [eu] }"),
            "invalid type: sequence, expected a text, a number or a boolean"
        );
        assert_eq!(
            told("{ region: { eu: 1 } }"),
            "invalid type: map, expected a text, a number or a boolean"
        );
    }
}
