//! A segmentation scheme: a table of rules of which exactly one holds for every customer, or a table that names each
//! customer's segment.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::pipeline::Scalar;
use super::yaml::Spanned;

/// `sql/schemes/<scheme>.yml`: either `input` and `rules`, or `table`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemeFile {
    /// The scheme's name, the same as the file's.
    #[schemars(with = "String")]
    pub scheme: Spanned<String>,
    /// What the scheme tells customers apart by, for people.
    pub description: String,
    /// The table that the rules look at: one row a customer and `as_of_date`.
    #[schemars(with = "Option<String>")]
    pub input: Option<Spanned<String>>,
    /// The rules. Planning proves that exactly one of them holds for every possible row of `input`.
    #[schemars(with = "Option<Vec<SchemeRule>>")]
    pub rules: Option<Spanned<Vec<Spanned<SchemeRule>>>>,
    /// Instead of rules: a table of `customer_id` and segment. Without a column `as_of_date` it counts for `$as_of` alone.
    #[schemars(with = "Option<String>")]
    pub table: Option<Spanned<String>>,
    /// The column of `table` that names the segment. Default `segment`.
    #[schemars(with = "Option<String>")]
    pub segment_column: Option<Spanned<String>>,
}

/// One rule: who meets every condition is of the segment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemeRule {
    /// The segment. Several rules may give the same one.
    #[schemars(with = "String")]
    pub segment: Spanned<String>,
    /// Who that is, for people.
    pub description: Option<String>,
    /// Conditions by column, all of which must hold. A column that is not named may hold anything, null too.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, Condition>")]
    pub when: IndexMap<String, Spanned<Condition>>,
}

/// What a column must hold: `null`, `"not null"`, a value, a comparison such as `"< 3"` or `">= $name"`, a range
/// `"2..4"` with both ends in it, two such as in `"> 2 and < 4"`, or a list of these of which one must hold. A bound of a
/// number may be a sum: `"< $a + $b"`.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `null`: the column holds no value.
    Null,
    /// A value, a comparison or a range, as written.
    Is(Scalar),
    /// One of several.
    AnyOf(Vec<Condition>),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Is(value) => write!(f, "{value}"),
            Self::AnyOf(conditions) => {
                let texts: Vec<String> = conditions.iter().map(Self::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ConditionVisitor;
        impl<'de> Visitor<'de> for ConditionVisitor {
            type Value = Condition;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a value, a comparison, a range or a list of them")
            }
            fn visit_unit<E>(self) -> Result<Condition, E> {
                Ok(Condition::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Condition, E> {
                Ok(Condition::Is(Scalar::Boolean(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Condition, E> {
                Ok(Condition::Is(Scalar::Integer(value)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Condition, E> {
                Ok(Condition::Is(Scalar::Number(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Condition, E> {
                Ok(Condition::Is(Scalar::Text(value.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Condition, A::Error> {
                let mut conditions = Vec::new();
                while let Some(condition) = list.next_element()? {
                    conditions.push(condition);
                }
                Ok(Condition::AnyOf(conditions))
            }
        }
        deserializer.deserialize_any(ConditionVisitor)
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["null", "string", "number", "boolean", "array"],
            "description": "null, \"not null\", a value, a comparison (\"< 3\", \">= $name\"), a range with both ends in it (\"2..4\"), two such (\"> 2 and < $a + $b\"), or a list of these of which one must hold"
        })
    }
}
