//! `cvm schema`.

use super::arguments::SchemaArguments;
use super::{CliError, console};
use crate::run::RunReport;
use crate::spec::problem::did_you_mean;
use crate::spec::schema::{SCHEMAS, SchemaOf};

/// The schemas of files that users write, and of the report that runs write.
fn schemas() -> Vec<SchemaOf> {
    let mut schemas = SCHEMAS.to_vec();
    schemas.push(SchemaOf {
        name: "report",
        generate: || schemars::schema_for!(RunReport),
    });
    schemas
}

pub(super) fn schema(arguments: &SchemaArguments) -> Result<(), CliError> {
    let text = |schema: &SchemaOf| format!("{:#}\n", (schema.generate)().as_value());
    if let Some(folder) = &arguments.to {
        std::fs::create_dir_all(folder).map_err(|source| CliError::Io {
            what: format!("make {}", folder.display()),
            source,
        })?;
        for schema in schemas() {
            let path = folder.join(format!("{}.json", schema.name));
            std::fs::write(&path, text(&schema)).map_err(|source| CliError::Io {
                what: format!("write {}", path.display()),
                source,
            })?;
            console::out(&format!("{}\n", path.display()))?;
        }
    }
    let Some(name) = &arguments.name else {
        return Ok(());
    };
    match schemas().iter().find(|schema| schema.name == name) {
        Some(schema) => console::out(&text(schema)),
        None => Err(CliError::UnknownSchema {
            name: name.clone(),
            help: did_you_mean(name, schemas().iter().map(|schema| schema.name)),
        }),
    }
}
