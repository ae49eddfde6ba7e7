//! JSON Schemas of the files a user writes, for editors.

use super::pipeline::ScoreFile;
use super::{ParametersFile, PipelineFile, SchemeFile, SourceFile, TableFile};

/// A kind of file that has a schema.
#[derive(Debug, Clone, Copy)]
pub struct SchemaOf {
    /// The schema's name; its file is `schemas/<name>.json`.
    pub name: &'static str,
    /// Makes the schema.
    pub generate: fn() -> schemars::Schema,
}

/// The files that have a schema.
pub const SCHEMAS: &[SchemaOf] = &[
    SchemaOf {
        name: "pipeline",
        generate: || schemars::schema_for!(PipelineFile),
    },
    SchemaOf {
        name: "source",
        generate: || schemars::schema_for!(SourceFile),
    },
    SchemaOf {
        name: "table",
        generate: || schemars::schema_for!(TableFile),
    },
    SchemaOf {
        name: "scheme",
        generate: || schemars::schema_for!(SchemeFile),
    },
    SchemaOf {
        name: "parameters",
        generate: || schemars::schema_for!(ParametersFile),
    },
    SchemaOf {
        name: "score",
        generate: || schemars::schema_for!(ScoreFile),
    },
];
