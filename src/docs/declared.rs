//! What a plan leaves out because no run needs it: descriptions, defaults, the rules of schemes as they were written.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::plan::{Plan, Work, parameters};
use crate::spec::pipeline::{Score, ScoreFile};
use crate::spec::yaml::{Environment, decode};
use crate::spec::{ParametersFile, PipelineFile, Problem, Project, SchemeFile, SourceFile};

/// The files of a project as far as documentation needs them.
pub(super) struct Declared {
    pub(super) pipeline: PipelineFile,
    /// Definitions by topic.
    pub(super) topics: Vec<ParametersFile>,
    /// The schemes of the pipeline, by name.
    pub(super) schemes: BTreeMap<String, SchemeFile>,
    /// How each score is made, and what for.
    pub(super) scores: BTreeMap<String, (Score, Option<String>)>,
    /// Systems with their descriptions.
    pub(super) systems: BTreeMap<String, String>,
    /// The file that makes each table.
    pub(super) files: BTreeMap<String, String>,
    /// The tables that read each parameter.
    pub(super) readers: BTreeMap<String, BTreeSet<String>>,
}

impl Declared {
    pub(super) fn of(
        project: &Project,
        path: &str,
        plan: &Plan,
        environment: Environment<'_>,
    ) -> Result<Self, Vec<Problem>> {
        let file = project.file(path).ok_or_else(Vec::new)?;
        let pipeline: PipelineFile = decode(file, environment)?;
        let mut declared = Self {
            pipeline,
            topics: Vec::new(),
            schemes: BTreeMap::new(),
            scores: BTreeMap::new(),
            systems: BTreeMap::new(),
            files: BTreeMap::new(),
            readers: readers(plan),
        };
        for file in project.files() {
            let Some(within) = file.path.strip_prefix("sql/") else {
                continue;
            };
            let stem = within.rsplit('/').next().unwrap_or(within);
            if let Some(name) = stem.strip_suffix(".sql") {
                declared.files.insert(name.to_owned(), file.path.clone());
                continue;
            }
            let Some(name) = stem.strip_suffix(".yml") else {
                continue;
            };
            match within.split_once('/').map(|(folder, _)| folder) {
                Some("parameters") => declared.topics.push(decode(file, &|_| None)?),
                Some("schemes") if plan.schemes.iter().any(|scheme| scheme.name == name) => {
                    let scheme: SchemeFile = decode(file, &|_| None)?;
                    declared.note_scheme(name, scheme);
                }
                Some("scores") => {
                    let score: ScoreFile = decode(file, &|_| None)?;
                    let made = (score.declaration.value, Some(score.description));
                    declared.scores.insert(name.to_owned(), made);
                }
                Some("entities") => {
                    let table = format!("{}.{name}", crate::plan::ENTITIES);
                    declared.files.insert(table, file.path.clone());
                }
                _ => {}
            }
        }
        for (name, score) in &declared.pipeline.scores {
            let described = declared.scores.remove(name).and_then(|(_, told)| told);
            let made = (score.value.clone(), described);
            declared.scores.insert(name.clone(), made);
        }
        declared.read_systems(project, path, environment)?;
        Ok(declared)
    }

    /// A scheme reads the parameters that its conditions name.
    fn note_scheme(&mut self, name: &str, scheme: SchemeFile) {
        let rules = scheme.rules.iter().flat_map(|rules| &rules.value);
        for condition in rules.flat_map(|rule| rule.value.when.values()) {
            for word in condition.value.to_string().split('$').skip(1) {
                let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let parameter = word.get(..end.unwrap_or(word.len())).unwrap_or(word);
                let readers = self.readers.entry(parameter.to_owned()).or_default();
                readers.insert(crate::plan::scheme::CLASSIFIED.to_owned());
            }
        }
        self.schemes.insert(name.to_owned(), scheme);
    }

    fn read_systems(
        &mut self,
        project: &Project,
        path: &str,
        environment: Environment<'_>,
    ) -> Result<(), Vec<Problem>> {
        let folder = path.rsplit_once('/').map(|(folder, _)| folder);
        for named in &self.pipeline.sources {
            let path = match folder {
                Some(folder) => format!("{folder}/{}", named.value),
                None => named.value.clone(),
            };
            if let Some(file) = project.file(&path) {
                let source: SourceFile = decode(file, environment)?;
                self.systems.insert(source.system.value, source.description);
            }
        }
        Ok(())
    }

    /// Whether the pipeline sets a parameter itself.
    pub(super) fn sets(&self, parameter: &str) -> bool {
        self.pipeline.parameters.contains_key(parameter)
    }

    /// The schemes in the order of the plan.
    pub(super) fn schemes_of<'a>(&'a self, plan: &'a Plan) -> IndexMap<&'a str, &'a SchemeFile> {
        let schemes = plan.schemes.iter();
        schemes
            .filter_map(|scheme| Some((scheme.name.as_str(), self.schemes.get(&scheme.name)?)))
            .collect()
    }
}

fn readers(plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    let mut readers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for stage in &plan.stages {
        if let Work::Sql(statement) = &stage.work {
            for parameter in parameters::names(statement) {
                let of = readers.entry(parameter).or_default();
                of.insert(stage.name.clone());
            }
        }
    }
    readers
}
