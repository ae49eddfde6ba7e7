//! What the user wrote: the YAML files of a project as typed values, with spans kept. Resolves nothing.

pub mod check;
pub mod declared_store;
pub mod literal;
pub mod parameters;
pub mod pipeline;
pub mod problem;
pub mod project;
pub mod schema;
pub mod scheme;
pub mod share;
mod shown;
pub mod source;
pub mod table;
pub mod types;
pub mod yaml;

pub use literal::Literal;
pub use parameters::ParametersFile;
pub use pipeline::PipelineFile;
pub use problem::{At, Problem, SourceText};
pub use project::Project;
pub use scheme::SchemeFile;
pub(crate) use shown::is_secret;
pub use source::SourceFile;
pub use table::TableFile;
pub use types::SqlType;
pub use yaml::Spanned;
