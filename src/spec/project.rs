//! A project's files: from a folder, or from what the binary carries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use super::problem::SourceText;

/// A file of a project is a page long; one of more than this is something else.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

static SHIPPED_SQL: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sql");
static SHIPPED_PIPELINES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/pipelines");

/// A project that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no such pipeline file.
    #[error(
        "there is no pipeline file `{path}`: name a file such as pipelines/online_retail.yml, or make a project with `cvm init DIR`"
    )]
    NoPipeline {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// No folder above the pipeline file holds a `sql` folder.
    #[error(
        "no folder above `{path}` holds a `sql` folder: put the pipeline into `pipelines/` of a project, or make one with `cvm init DIR`"
    )]
    NoRoot {
        /// The pipeline file.
        path: PathBuf,
    },
    /// What is named like a file of a project is a pipe, a device or far too large.
    #[error("`{path}` is no file of a project: {reason}")]
    NoText {
        /// The path.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
    },
    /// A folder holds itself, by a link.
    #[error("`{path}` leads back to a folder that it lies in: remove the link")]
    Circle {
        /// The link.
        path: PathBuf,
    },
    /// A file or folder could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The text files of a project and the folder that relative `file:` stores start from.
#[derive(Debug, Clone)]
pub struct Project {
    /// The project's folder.
    pub root: PathBuf,
    files: BTreeMap<String, Arc<SourceText>>,
}

impl Project {
    /// A project of the given files, by path relative to `root`.
    pub fn from_files(root: PathBuf, files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files = files
            .into_iter()
            .map(|(path, text)| (path.clone(), Arc::new(SourceText { path, text })))
            .collect();
        Self { root, files }
    }

    /// What the binary carries: the shipped SQL and pipelines, with `root` as the folder of relative stores.
    pub fn shipped(root: PathBuf) -> Self {
        let mut files = Vec::new();
        collect_shipped(&SHIPPED_SQL, "sql", &mut files);
        collect_shipped(&SHIPPED_PIPELINES, "pipelines", &mut files);
        Self::from_files(root, files)
    }

    /// The project that holds the pipeline file at `path`, and the file's path within it.
    ///
    /// # Errors
    /// When there is no such file, no project around it, or a file cannot be read.
    pub fn around(path: &Path) -> Result<(Self, String), ProjectError> {
        let absolute = std::path::absolute(path)
            .ok()
            .filter(|absolute| absolute.is_file())
            .ok_or_else(|| ProjectError::NoPipeline {
                path: path.to_owned(),
            })?;
        let root = absolute
            .ancestors()
            .skip(1)
            .find(|folder| folder.join("sql").is_dir())
            .ok_or_else(|| ProjectError::NoRoot {
                path: path.to_owned(),
            })?
            .to_owned();
        let mut files = Vec::new();
        for folder in ["sql", "pipelines"] {
            read_folder(&root, &root.join(folder), &mut Vec::new(), &mut files)?;
        }
        let within = relative(&root, &absolute);
        if !files.iter().any(|(path, _)| *path == within) {
            files.push((within.clone(), read_text(&absolute)?));
        }
        Ok((Self::from_files(root, files), within))
    }

    /// The file at `path`.
    pub fn file(&self, path: &str) -> Option<&Arc<SourceText>> {
        self.files.get(path)
    }

    /// All files, by path.
    pub fn files(&self) -> impl Iterator<Item = &Arc<SourceText>> {
        self.files.values()
    }
}

fn collect_shipped(folder: &Dir<'_>, prefix: &str, files: &mut Vec<(String, String)>) {
    for file in folder.files() {
        if let Some(text) = file.contents_utf8() {
            files.push((
                format!("{prefix}/{}", slashes(file.path())),
                text.to_owned(),
            ));
        }
    }
    for inner in folder.dirs() {
        collect_shipped(inner, prefix, files);
    }
}

/// Reads the files below `folder`; `above` are the folders that it lies in, links resolved.
fn read_folder(
    root: &Path,
    folder: &Path,
    above: &mut Vec<PathBuf>,
    files: &mut Vec<(String, String)>,
) -> Result<(), ProjectError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ProjectError::Read { path, source }
    };
    if !folder.is_dir() {
        return Ok(());
    }
    let real = folder.canonicalize().map_err(failed(folder))?;
    if above.contains(&real) {
        return Err(ProjectError::Circle {
            path: folder.to_owned(),
        });
    }
    above.push(real);
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() {
            read_folder(root, &path, above, files)?;
        } else if path
            .extension()
            .is_some_and(|ending| ending == "sql" || ending == "yml")
        {
            files.push((relative(root, &path), read_text(&path)?));
        }
    }
    above.pop();
    Ok(())
}

/// The text of a file. A pipe would be waited for, a device read without end.
fn read_text(path: &Path) -> Result<String, ProjectError> {
    let failed = |source| ProjectError::Read {
        path: path.to_owned(),
        source,
    };
    let no_text = |reason| ProjectError::NoText {
        path: path.to_owned(),
        reason,
    };
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(no_text("it is a pipe or a device"));
    }
    if metadata.len() > MOST_BYTES {
        return Err(no_text("it has more than 16 MiB"));
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn relative(root: &Path, path: &Path) -> String {
    slashes(path.strip_prefix(root).unwrap_or(path))
}

fn slashes(path: &Path) -> String {
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}
