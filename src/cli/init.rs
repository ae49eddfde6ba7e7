//! `cvm init`: a project out of what the binary carries.

use std::path::PathBuf;

use super::arguments::InitArguments;
use super::{CliError, console};
use crate::spec::Project;
use crate::spec::schema::SCHEMAS;

/// The pipeline that a new project starts with: the one of the synthetic company, whose data it can make itself.
const PIPELINE: &str = "pipelines/demo.yml";
/// The systems that belong to it: a source file and a staging folder each.
const SYSTEMS: &[&str] = &[
    "ads",
    "automation",
    "crm",
    "ga4",
    "helpdesk",
    "shop",
    "social",
    "surveys",
    "treasury",
];

pub(super) fn init(arguments: &InitArguments) -> Result<(), CliError> {
    let folder = &arguments.folder;
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(CliError::Occupied {
            path: folder.clone(),
        });
    }
    let shipped = Project::shipped(folder.clone());
    let of_system = |path: &str| {
        SYSTEMS.iter().any(|system| {
            path == format!("pipelines/sources/{system}.yml")
                || path.starts_with(&format!("sql/staging/{system}/"))
        })
    };
    // An intermediate file with two underscores is of a system too, none of the example's.
    let of_another = |path: &str| path.starts_with("sql/intermediate/") && path.contains("__");
    let wanted = |path: &str| {
        path == PIPELINE
            || of_system(path)
            || path.starts_with("sql/") && !path.starts_with("sql/staging/") && !of_another(path)
    };
    let mut files = 0;
    for file in shipped.files().filter(|file| wanted(&file.path)) {
        write(folder.join(&file.path), &file.text)?;
        files += 1;
    }
    for schema in SCHEMAS {
        let text = format!("{:#}\n", (schema.generate)().as_value());
        write(
            folder.join("schemas").join(format!("{}.json", schema.name)),
            &text,
        )?;
    }
    write(folder.join(".gitignore"), "/data\n")?;
    let here = folder.display();
    console::out(&format!(
        "{files} files in {here}. Next:\n  \
         cd {here}\n  \
         cvm generate --customers 20000 --to file:data/demo/raw\n  \
         cvm run pipelines/demo.yml --as-of 2025-01-01\n  \
         cvm query pipelines/demo.yml \"select * from customer_values limit 5\"\n\
         Then put your own store, source file and staging SQL in the place of the example's.\n"
    ))
}

fn write(path: PathBuf, text: &str) -> Result<(), CliError> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(&path, text))
        .map_err(|source| CliError::Io {
            what: format!("write {}", path.display()),
            source,
        })
}
