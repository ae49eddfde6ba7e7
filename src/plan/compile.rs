//! The steps from files to a plan. Each step notes what it finds and goes on, so that all faults come at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::engine::Session;
use crate::score::Registry;
use crate::source::Tolerance;
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::yaml::{Environment, Spanned, decode};
use crate::spec::{PipelineFile, Project, SourceFile, TableFile};

use super::catalogue::Catalogue;
use super::graph::Graph;
use super::relationship::Compared;
use super::{
    Plan, PlanError, PlannedCheck, PlannedOutput, PlannedSource, RESERVED_TABLES, Work, check,
    definitions, entity, fingerprint, rules, score, type_check,
};

/// What the steps share.
pub(super) struct Compiling<'a> {
    pub(super) pipeline: PipelineFile,
    pub(super) file: Arc<SourceText>,
    pub(super) catalogue: Catalogue,
    pub(super) sources: BTreeMap<String, DeclaredSource>,
    /// Whether a source file could not be read, so that raw tables may be missing for a reason told already.
    pub(super) sources_are_partial: bool,
    pub(super) schemes: Vec<super::ProvenScheme>,
    pub(super) checks: Vec<PlannedCheck>,
    /// What the checks that are relationships compare, by check.
    pub(super) relationships: BTreeMap<String, Compared>,
    pub(super) registry: &'a Registry,
    pub(super) session: Session,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// A raw table and the file that declares it.
pub(super) struct DeclaredSource {
    pub(super) file: Arc<SourceText>,
    pub(super) at: At,
    pub(super) planned: PlannedSource,
}

impl Compiling<'_> {
    /// Notes a fault of the pipeline file.
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        at: At,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::new(code, &self.file, at, message, help);
        self.problems.push(problem);
    }
}

/// Proves the pipeline in the file at `path` of `project`.
///
/// # Errors
/// Every fault that can be found without reading data, sorted by file and line.
pub async fn compile(
    project: &Project,
    path: &str,
    registry: &Registry,
    environment: Environment<'_>,
) -> Result<Plan, Vec<PlanError>> {
    let Some(file) = project.file(path).cloned() else {
        let missing = Arc::new(SourceText {
            path: path.to_owned(),
            text: String::new(),
        });
        let help = "name a file below the project's folder";
        let problem = Problem::new(
            "cvm::plan::file",
            &missing,
            At::default(),
            "there is no such file",
            help,
        );
        return Err(vec![problem]);
    };
    let pipeline: PipelineFile = decode(&file, environment)?;
    let mut problems = Vec::new();
    let catalogue = Catalogue::of(project, &mut problems);
    let mut compiling = Compiling {
        pipeline,
        file,
        catalogue,
        sources: BTreeMap::new(),
        sources_are_partial: false,
        schemes: Vec::new(),
        checks: Vec::new(),
        relationships: BTreeMap::new(),
        registry,
        session: Session::for_planning(),
        problems,
        warnings: Vec::new(),
    };
    let settings = check::settings(&mut compiling);
    let parameters = definitions::values(&mut compiling, project);
    read_sources(&mut compiling, project, environment);
    check::sources(&mut compiling);
    check::outputs(&mut compiling);
    entity::check(&mut compiling);
    let scores = score::check(&mut compiling, project, settings.as_ref());
    let mut graph = Graph::of(&mut compiling, &scores, &parameters);
    rules::check(&mut compiling, &graph);
    let score_files: BTreeSet<String> = scores
        .values()
        .map(|score| score.file.text.clone())
        .collect();
    let stages = type_check::type_check(&mut compiling, &mut graph, scores, &parameters).await;
    graph.warn_of_unread(&mut compiling);

    let (Some(settings), true) = (settings, compiling.problems.is_empty()) else {
        return Err(sorted(compiling.problems));
    };
    let outputs = outputs_of(&mut compiling, &stages);
    if !compiling.problems.is_empty() {
        return Err(sorted(compiling.problems));
    }
    let sources = graph.read_sources(&mut compiling);
    let Compiling {
        pipeline,
        file,
        warnings,
        schemes,
        checks,
        ..
    } = compiling;
    let stores = pipeline
        .stores
        .into_iter()
        .map(|(name, store)| (name, store.value))
        .collect();
    let mut plan = Plan {
        pipeline: pipeline.pipeline.value,
        description: pipeline.description,
        settings,
        parameters,
        stores,
        sources,
        stages,
        schemes,
        checks,
        outputs,
        output_store: pipeline.outputs.store.value,
        output_path: pipeline.outputs.path.value,
        retain: pipeline.outputs.retain,
        warnings: sorted(warnings),
        fingerprint: String::new(),
    };
    plan.fingerprint = fingerprint_of(&plan, &file.text, score_files);
    Ok(plan)
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (&a.file.path, a.at, a.code).cmp(&(&b.file.path, b.at, b.code)));
    problems.dedup_by(|a, b| a.file.path == b.file.path && a.at == b.at && a.message == b.message);
    problems
}

fn read_sources(compiling: &mut Compiling<'_>, project: &Project, environment: Environment<'_>) {
    let folder = compiling
        .file
        .path
        .rsplit_once('/')
        .map(|(folder, _)| folder.to_owned());
    for named in compiling.pipeline.sources.clone() {
        let path = match &folder {
            Some(folder) => format!("{folder}/{}", named.value),
            None => named.value.clone(),
        };
        let Some(file) = project.file(&path) else {
            let known = project.files().map(|file| file.path.as_str());
            let known = known.filter(|path| path.contains("sources/") && path.ends_with(".yml"));
            let help = did_you_mean(&path, known);
            compiling.sources_are_partial = true;
            compiling.fault(
                "cvm::plan::source_file",
                named.at,
                format!("there is no source file `{path}`"),
                help,
            );
            continue;
        };
        match decode::<SourceFile>(file, environment) {
            Ok(source) => declare_tables(compiling, file, source),
            Err(found) => {
                compiling.sources_are_partial = true;
                compiling.problems.extend(found);
            }
        }
    }
}

fn declare_tables(compiling: &mut Compiling<'_>, file: &Arc<SourceText>, source: SourceFile) {
    if !compiling.pipeline.stores.contains_key(&source.store.value) {
        let stores: IndexMap<_, _> = compiling.pipeline.stores.clone();
        let help = did_you_mean(&source.store.value, stores.keys().map(String::as_str));
        compiling.problems.push(Problem::new(
            "cvm::plan::store",
            file,
            source.store.at,
            format!("the pipeline declares no store `{}`", source.store.value),
            help,
        ));
    }
    for (table, Spanned { value, at }) in source.tables {
        let name = format!("{}.{table}", source.system.value);
        let planned = PlannedSource {
            name: name.clone(),
            store: source.store.value.clone(),
            tolerance: Tolerance {
                max_bad_share: value.max_bad_share.unwrap_or(source.max_bad_share),
                schema_drift: value.schema_drift.unwrap_or(source.schema_drift),
            },
            table: value,
            uses: 0,
        };
        let declared = DeclaredSource {
            file: Arc::clone(file),
            at,
            planned,
        };
        if let Some(other) = compiling.sources.insert(name.clone(), declared) {
            compiling.problems.push(Problem::new(
                "cvm::plan::duplicate_source",
                file,
                at,
                format!(
                    "the raw table `{name}` is also declared in {}",
                    other.file.path
                ),
                "give one of the two systems another name",
            ));
        }
    }
}

fn outputs_of(compiling: &mut Compiling<'_>, stages: &[super::PlannedStage]) -> Vec<PlannedOutput> {
    let mut outputs = Vec::new();
    for table in compiling.pipeline.outputs.tables.clone() {
        let contract = stages
            .iter()
            .find(|stage| stage.name == table.value)
            .and_then(|stage| stage.contract.clone());
        match contract {
            Some(contract) => outputs.push(PlannedOutput {
                table: table.value,
                contract,
            }),
            None => compiling.fault(
                "cvm::plan::output",
                table.at,
                format!(
                    "the table `{}` cannot be published: it has no contract",
                    table.value
                ),
                "publish a table made by SQL, which has a .yml beside it",
            ),
        }
    }
    outputs
}

/// Everything that decides what a run computes. Where data lies and where it goes does not.
fn fingerprint_of(plan: &Plan, pipeline_text: &str, score_files: BTreeSet<String>) -> String {
    let mut parts = vec![
        env!("CARGO_PKG_VERSION").to_owned(),
        pipeline_text.to_owned(),
    ];
    for source in &plan.sources {
        parts.push(format!(
            "{} {:?} {:?}",
            source.name, source.table, source.tolerance
        ));
    }
    for stage in &plan.stages {
        let work = match &stage.work {
            Work::Sql(statement) => statement.to_string(),
            Work::Union(tables) => tables.join(","),
            Work::Score { scorer, .. } => (*scorer).to_owned(),
        };
        parts.push(format!("{} {work} {:?}", stage.name, stage.schema.fields()));
        let is_published = plan.outputs.iter().any(|output| output.table == stage.name);
        let contract = stage.contract.as_deref();
        parts.extend(contract.map(|contract| promises(contract, is_published)));
    }
    for (name, value) in &plan.parameters {
        parts.push(format!("{name}={value}"));
    }
    parts.extend(score_files);
    for check in &plan.checks {
        parts.push(format!("{check:?}"));
    }
    for reserved in RESERVED_TABLES {
        parts.push(reserved.to_owned());
    }
    fingerprint(parts.iter().map(String::as_str))
}

/// What of a contract is published beside the rows, or decides whether anything is.
fn promises(contract: &TableFile, is_published: bool) -> String {
    let told = |text: &str| {
        if is_published {
            text.to_owned()
        } else {
            String::new()
        }
    };
    let check = contract.check.as_ref();
    let check = check.map(|check| (check.severity, check.max_rows));
    let key: Vec<&str> = contract.key.iter().map(|key| key.value.as_str()).collect();
    let mut text = format!(
        "{} {} {key:?} {check:?}",
        told(&contract.description),
        told(&contract.grain)
    );
    for (name, column) in &contract.columns {
        let column = &column.value;
        let accepted = column.accepted_values.as_ref();
        let accepted =
            accepted.map(|values| values.iter().map(|value| &value.value).collect::<Vec<_>>());
        text.push_str(&format!(
            "\n{name} {} {} {:?} {:?} {accepted:?} {}",
            column.sql_type,
            column.required,
            column.minimum,
            column.maximum,
            told(&column.description)
        ));
    }
    text
}
