//! The pipeline file: what value means to the organisation, where data lies, what is computed and published.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::declared_store::StoreDeclaration;
use super::types::SqlType;
use super::yaml::Spanned;

/// `pipelines/<pipeline>.yml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineFile {
    /// The pipeline's name, the same as the file's.
    #[schemars(with = "String")]
    pub pipeline: Spanned<String>,
    /// What it is for, for people.
    pub description: String,
    /// The IANA zone that says what a day is. Default UTC.
    #[schemars(with = "Option<String>")]
    pub timezone: Option<Spanned<String>>,
    /// The organisation's own definition of customer value.
    #[schemars(with = "ValueDefinition")]
    pub value: Spanned<ValueDefinition>,
    /// How predictions are held against what came. Without it models are chosen by what they were fitted to.
    #[schemars(with = "Option<Validation>")]
    pub validation: Option<Spanned<Validation>>,
    /// Object stores by name.
    #[schemars(with = "IndexMap<String, StoreDeclaration>")]
    pub stores: IndexMap<String, Spanned<StoreDeclaration>>,
    /// Source files, relative to this file.
    #[schemars(with = "Vec<String>")]
    pub sources: Vec<Spanned<String>>,
    /// Named values that SQL reads as `$name`.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, Parameter>")]
    pub parameters: IndexMap<String, Spanned<Parameter>>,
    /// The staging tables that make up each canonical entity.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, Vec<String>>")]
    pub entities: IndexMap<String, Spanned<Vec<Spanned<String>>>>,
    /// Tables made by scorers.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, Score>")]
    pub scores: IndexMap<String, Spanned<Score>>,
    /// The segmentation schemes that customers are told apart by, from `sql/schemes`. Default: all that there are.
    #[schemars(with = "Option<Vec<String>>")]
    pub segments: Option<Vec<Spanned<String>>>,
    /// Which tables are held to what their contracts promise. Default `entities`.
    #[serde(default)]
    pub contracts: Strictness,
    /// What is published, and where.
    pub outputs: Outputs,
}

/// Which tables are held to what their contracts promise of columns and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    /// Those that are published and, but for their keys, those that are written down on the way: their rows are looked at anyway.
    Written,
    /// Also the keys of entities: a row that is there twice would count twice in everything that is made of it.
    #[default]
    Entities,
    /// Also those that are worked out where they are read, as entities are, and the keys of all. Each costs a query or two.
    All,
}

/// The organisation's own definition of customer value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueDefinition {
    /// The ISO 4217 code of the currency in which value is told.
    #[schemars(with = "String")]
    pub currency: Spanned<String>,
    /// What counts as value.
    pub measure: Measure,
    /// How far ahead value is predicted, in days.
    #[schemars(with = "u32")]
    pub horizon_days: Spanned<i64>,
    /// The yearly rate at which future value is discounted; 0.10 is ten percent.
    #[schemars(with = "f64")]
    pub annual_discount_rate: Spanned<f64>,
}

/// How predictions are held against what came: each model is fitted once more, to the days before the last
/// `holdout_days`, and foretells these. A bound that is broken stops the publication.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// How many of the last days are held out.
    #[schemars(with = "u32")]
    pub holdout_days: Spanned<i64>,
    /// The most by which purchases foretold may miss those that came, as a share of them; 0.10 is ten percent.
    #[schemars(with = "Option<f64>")]
    pub max_bias: Option<Spanned<f64>>,
    /// The least Gini coefficient of the ranking by purchases foretold, as a share of the perfect ranking's.
    #[schemars(with = "Option<f64>")]
    pub min_gini: Option<Spanned<f64>>,
    /// The largest mean absolute error, in purchase days a customer.
    #[schemars(with = "Option<f64>")]
    pub max_mae: Option<Spanned<f64>>,
}

/// What counts as value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// What customers pay.
    Revenue,
    /// What customers pay less what the goods cost.
    Margin,
}

impl Measure {
    /// The name as written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revenue => "revenue",
            Self::Margin => "margin",
        }
    }
}

/// A named value: the value alone for a definition that comes with the SQL (`cvm list parameters`), or its type and
/// value for one of the pipeline's own.
#[derive(Debug, Clone)]
pub enum Parameter {
    /// The value of a shipped definition.
    Setting(Scalar),
    /// A definition of the pipeline's own.
    Own(OwnParameter),
}

/// A definition of the pipeline's own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnParameter {
    /// Its SQL type.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// Its value.
    pub value: Scalar,
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ParameterVisitor;
        impl<'de> Visitor<'de> for ParameterVisitor {
            type Value = Parameter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or `type` and `value` of a parameter of your own")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Parameter, E> {
                Ok(Parameter::Setting(Scalar::Boolean(value)))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Parameter, E> {
                Ok(Parameter::Setting(Scalar::Integer(value)))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Parameter, E> {
                Ok(Parameter::Setting(Scalar::Number(value)))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Parameter, E> {
                Ok(Parameter::Setting(Scalar::Text(value.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Parameter, A::Error> {
                let deserializer = de::value::MapAccessDeserializer::new(map);
                OwnParameter::deserialize(deserializer).map(Parameter::Own)
            }
        }
        deserializer.deserialize_any(ParameterVisitor)
    }
}

impl JsonSchema for Parameter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameter".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let own = generator.subschema_for::<OwnParameter>();
        schemars::json_schema!({
            "description": "The value of a definition that comes with the SQL, or the type and value of one of your own",
            "anyOf": [{ "type": ["string", "number", "boolean"] }, own]
        })
    }
}

/// One YAML scalar, or a list of them where a list can be taken.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// Text.
    Text(String),
    /// Several, as in `[bg_nbd, pareto_nbd]`.
    List(Vec<Scalar>),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => {
                let texts: Vec<String> = values.iter().map(Scalar::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean, a number, a text or a list of them")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Boolean(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Number(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Scalar::List(values))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A table made by a scorer: `scorer`, `input`, and the scorer's own parameters beside them.
#[derive(Debug, Clone)]
pub struct Score {
    /// The scorer's name, as `cvm list scorers` tells it.
    pub scorer: Spanned<String>,
    /// The table it scores.
    pub input: Spanned<String>,
    /// What else is written here: the scorer's own parameters.
    pub parameters: IndexMap<String, Spanned<Scalar>>,
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScoreVisitor;
        impl<'de> Visitor<'de> for ScoreVisitor {
            type Value = Score;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a score: `scorer`, `input` and the scorer's parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Score, A::Error> {
                let (mut scorer, mut input, mut parameters) = (None, None, IndexMap::new());
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "scorer" => scorer = Some(map.next_value()?),
                        "input" => input = Some(map.next_value()?),
                        _ => {
                            parameters.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(Score {
                    scorer: scorer.ok_or_else(|| de::Error::missing_field("scorer"))?,
                    input: input.ok_or_else(|| de::Error::missing_field("input"))?,
                    parameters,
                })
            }
        }
        deserializer.deserialize_map(ScoreVisitor)
    }
}

impl JsonSchema for Score {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Score".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "A table made by a scorer; the scorer's own parameters stand beside `scorer` and `input`",
            "properties": {
                "scorer": { "type": "string", "description": "The scorer's name, as `cvm list scorers` tells it" },
                "input": { "type": "string", "description": "The table it scores" }
            },
            "required": ["scorer", "input"],
            "additionalProperties": { "type": ["string", "number", "boolean", "array"] }
        })
    }
}

/// `sql/scores/<score>.yml`: a score that a pipeline has without declaring it, wherever a published table reads it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreFile {
    /// The score's name, the same as the file's.
    #[schemars(with = "String")]
    pub score: Spanned<String>,
    /// What the table answers, for people.
    pub description: String,
    /// How it is made.
    #[schemars(with = "Score")]
    pub declaration: Spanned<Score>,
}

/// What is published, and where.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// The store, declared above, that is written to.
    #[schemars(with = "String")]
    pub store: Spanned<String>,
    /// The folder below the store's URL.
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    /// The tables that readers see. `rows_set_aside`, and `model_fits` and `model_calibration` where there are
    /// scores, come by themselves.
    #[schemars(with = "Vec<String>")]
    pub tables: Vec<Spanned<String>>,
    /// How many past runs `cvm gc` keeps. Default 10.
    #[serde(default = "default_retain")]
    #[schemars(range(min = 1))]
    pub retain: u32,
}

fn default_retain() -> u32 {
    10
}
