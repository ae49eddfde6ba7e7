//! The chapters before the tables: the pipeline, its settings and definitions, the graph, checks, sources, schemes, scores.

use crate::plan::{CheckKind, Plan, PlannedSource, RESERVED_TABLES, ROWS_SET_ASIDE, Work};
use crate::spec::pipeline::Parameter;
use crate::spec::scheme::SchemeFile;
use crate::spec::source::{Compression, CsvFormat, Delimiter, Format, RawColumn};

use super::block::{Block, Inline, Line, Section, code, labelled, listed, table_id, tables, text};
use super::declared::Declared;
use super::tables::kind_of;

pub(super) fn of(plan: &Plan, declared: &Declared) -> Vec<Section> {
    let mut sections = vec![settings(plan)];
    sections.extend(definitions(plan, declared));
    sections.push(published(plan));
    let told = "Raw tables on the left, what is published on the right. Each table reads those that lines come from.";
    let graph = vec![Block::Line(text(told)), Block::Graph];
    sections.push(Section::chapter("lineage", "Lineage", graph));
    sections.push(checks(plan));
    sections.extend(schemes(plan, declared));
    sections.extend(scores(plan, declared));
    sections.extend(sources(plan, declared));
    sections
}

fn settings(plan: &Plan) -> Section {
    let settings = &plan.settings;
    let rows = [
        (
            "measure",
            settings.measure.name().to_owned(),
            "What counts as value.",
        ),
        (
            "currency",
            settings.currency.clone(),
            "The currency in which value is told.",
        ),
        (
            "horizon_days",
            settings.value.horizon_days.to_string(),
            "How far ahead value is predicted, in days.",
        ),
        (
            "annual_discount_rate",
            settings.value.annual_discount_rate.to_string(),
            "The yearly rate at which future value is discounted.",
        ),
        (
            "timezone",
            settings.timezone.name().to_owned(),
            "The zone that says what a day is.",
        ),
    ];
    let rows = rows.into_iter();
    let rows = rows.map(|(name, value, told)| vec![code(name), code(value), text(told)]);
    let mut blocks = vec![
        Block::Line(text(&plan.description)),
        Block::Grid(vec!["setting", "value", "what it says"], rows.collect()),
    ];
    let dates = "A run is as of a day, $as_of: the exclusive end of what it sees.";
    blocks.push(Block::Line(text(dates)));
    let to = format!("{}/{}", plan.output_store, plan.output_path);
    blocks.push(Block::Line(labelled("Published to (store/path)", code(to))));
    Section::chapter("settings", "Settings", blocks)
}

/// The definitions that a table of the pipeline reads or that the pipeline sets, by topic.
fn definitions(plan: &Plan, declared: &Declared) -> Vec<Section> {
    let told = "What SQL reads as $name. Those marked “set” are the pipeline's choice, the others are at their default.";
    let mut sections = vec![Section::chapter(
        "definitions",
        "Definitions in force",
        vec![Block::Line(text(told))],
    )];
    let head = vec![
        "definition",
        "value",
        "default",
        "type and range",
        "what it decides",
        "read by",
    ];
    let mut unread = Vec::new();
    for topic in &declared.topics {
        let mut rows = Vec::new();
        for (name, definition) in &topic.parameters {
            let definition = &definition.value;
            let readers = declared.readers.get(name);
            if readers.is_none() && !declared.sets(name) {
                unread.push(Inline::Code(name.clone()));
                continue;
            }
            let mut kind = definition.sql_type.to_string();
            for (bound, told) in [
                (&definition.minimum, "at least"),
                (&definition.maximum, "at most"),
            ] {
                if let Some(bound) = bound {
                    kind.push_str(&format!(", {told} {bound}"));
                }
            }
            if let Some(values) = &definition.values {
                kind.push_str(&format!(", one of {}", values.join(", ")));
            }
            rows.push(vec![
                code(name),
                value_of(plan, declared, name),
                code(definition.default.to_string()),
                text(kind),
                text(&definition.description),
                tables(readers.into_iter().flatten(), "no table"),
            ]);
        }
        if !rows.is_empty() {
            let name = &topic.topic.value;
            let mut blocks: Vec<Block> = Vec::new();
            blocks.extend(topic.description.iter().map(|told| Block::Line(text(told))));
            blocks.push(Block::Grid(head.clone(), rows));
            sections.push(Section::below(format!("definitions-{name}"), name, blocks));
        }
    }
    let own = declared.pipeline.parameters.iter();
    let own = own.filter_map(|(name, set)| match &set.value {
        Parameter::Own(own) => Some(vec![
            code(name),
            value_of(plan, declared, name),
            text(own.sql_type.to_string()),
            tables(declared.readers.get(name).into_iter().flatten(), "no table"),
        ]),
        Parameter::Setting(_) => None,
    });
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        let head = vec!["definition", "value", "type", "read by"];
        let grid = vec![Block::Grid(head, own)];
        let title = "The pipeline's own";
        sections.push(Section::below(
            "definitions-of-its-own".to_owned(),
            title,
            grid,
        ));
    }
    if let (false, Some(last)) = (unread.is_empty(), sections.last_mut()) {
        let line = labelled("No table of this pipeline reads", listed(unread, ""));
        last.blocks.push(Block::Line(line));
    }
    sections
}

fn value_of(plan: &Plan, declared: &Declared, name: &str) -> Line {
    let value = plan.parameters.get(name);
    let mut line = code(value.map(ToString::to_string).unwrap_or_default());
    if declared.sets(name) {
        line.push(Inline::Text(" (set)".to_owned()));
    }
    line
}

fn published(plan: &Plan) -> Section {
    let rows = plan.outputs.iter().map(|output| {
        vec![
            tables([&output.table], ""),
            text(&output.contract.grain),
            text(&output.contract.description),
        ]
    });
    let own: &[&str] = if plan.has_scores() {
        &RESERVED_TABLES
    } else {
        &[ROWS_SET_ASIDE]
    };
    let own = own.iter().map(|name| Inline::Table((*name).to_owned()));
    let blocks = vec![
        Block::Grid(vec!["table", "one row", "what it answers"], rows.collect()),
        Block::Line(labelled("Every run also publishes", listed(own, ""))),
    ];
    Section::chapter("published", "Published tables", blocks)
}

fn checks(plan: &Plan) -> Section {
    let is_raw = |table: &str| plan.sources.iter().any(|source| source.name == table);
    let are_views_held = plan.checks.iter().any(|check| {
        let table = check.table.as_deref();
        check.kind == CheckKind::Contract && table.is_none_or(|table| !is_raw(table))
    });
    let views = match are_views_held {
        true => {
            "to the same by checks of their own, and the key of every table tells its rows apart"
        }
        false => "to their own checks alone",
    };
    let mut lines = vec![
        text(
            "Every published table: the key is unique and never null, required columns are never null. Each row is \
             checked as it is written; a fault stops the publication.",
        ),
        text(format!(
            "Each row that is written down between stages: required columns and the key are never null, accepted values \
             and ranges hold; a row that breaks this stops the run. Views, which are worked out where they are read, are \
             held {views}.",
        )),
        text("Each file is read back and compared with what was written before it is seen."),
    ];
    let sources = plan.sources.iter().map(|source| {
        vec![
            Inline::Table(source.name.clone()),
            Inline::Text(format!(" ({})", source.tolerance.max_bad_share)),
        ]
    });
    let mut shares = vec![Inline::Text(
        "The largest share of rows that may break their contract before a run stops: ".to_owned(),
    )];
    for (index, source) in sources.enumerate() {
        if index > 0 {
            shares.push(Inline::Text(", ".to_owned()));
        }
        shares.extend(source);
    }
    lines.push(shares);
    match &plan.settings.value.validation {
        Some(validation) => {
            let bounds = [
                ("max_bias", validation.max_bias),
                ("min_gini", validation.min_gini),
                ("max_mae", validation.max_mae),
            ];
            let told: Vec<String> = bounds
                .iter()
                .filter_map(|(name, bound)| Some(format!("{name} {}", (*bound)?)))
                .collect();
            let told = if told.is_empty() {
                "no bounds".to_owned()
            } else {
                told.join(", ")
            };
            lines.push(text(format!(
                "Predictions are held against the last {} days, which models are not fitted to: {told}.",
                validation.holdout_days
            )));
        }
        None => lines.push(text(
            "Predictions are not validated: the pipeline holds no days out.",
        )),
    }
    for scheme in &plan.schemes {
        if let Some(rules) = scheme.rules {
            lines.push(text(format!(
                "Scheme {}: proven that exactly one of its {rules} rules holds for each of {} combinations of values.",
                scheme.name, scheme.cells
            )));
        }
    }
    Section::chapter("checks", "Checks", vec![Block::List(lines)])
}

fn schemes(plan: &Plan, declared: &Declared) -> Vec<Section> {
    let mut sections = Vec::new();
    for (name, scheme) in declared.schemes_of(plan) {
        if sections.is_empty() {
            sections.push(Section::chapter(
                "schemes",
                "Segmentation schemes",
                Vec::new(),
            ));
        }
        let blocks = scheme_blocks(scheme);
        sections.push(Section::below(format!("scheme-{name}"), name, blocks));
    }
    sections
}

fn scheme_blocks(scheme: &SchemeFile) -> Vec<Block> {
    let mut blocks = vec![Block::Line(text(&scheme.description))];
    let reads = scheme.input.as_ref().or(scheme.table.as_ref());
    let reads = tables(reads.map(|table| &table.value), "");
    blocks.push(Block::Line(labelled("Reads", reads)));
    let Some(rules) = &scheme.rules else {
        let column = scheme.segment_column.as_ref();
        let column = column.map_or("segment", |column| column.value.as_str());
        blocks.push(Block::Line(labelled(
            "The segment is the column",
            code(column),
        )));
        return blocks;
    };
    let rows = rules.value.iter().map(|rule| {
        let rule = &rule.value;
        let conditions = rule.when.iter();
        let conditions =
            conditions.map(|(column, is)| Inline::Code(format!("{column}: {}", is.value)));
        vec![
            code(&rule.segment.value),
            listed(conditions, "anybody"),
            text(rule.description.as_deref().unwrap_or_default()),
        ]
    });
    let head = vec!["segment", "when all of these hold", "who that is"];
    blocks.push(Block::Grid(head, rows.collect()));
    blocks
}

fn scores(plan: &Plan, declared: &Declared) -> Vec<Section> {
    let mut sections = Vec::new();
    for stage in &plan.stages {
        let (Work::Score { scorer, .. }, Some((score, told))) =
            (&stage.work, declared.scores.get(&stage.name))
        else {
            continue;
        };
        if sections.is_empty() {
            sections.push(Section::chapter("scores", "Scores", Vec::new()));
        }
        let mut blocks: Vec<Block> = Vec::new();
        blocks.extend(told.iter().map(|told| Block::Line(text(told))));
        let mut rows = vec![
            vec![text("table"), tables([&stage.name], "")],
            vec![text("scorer"), code(*scorer)],
            vec![text("input"), tables([&score.input.value], "")],
        ];
        let parameters = score.parameters.iter();
        rows.extend(
            parameters.map(|(name, value)| vec![text(name), code(value.value.to_string())]),
        );
        blocks.push(Block::Grid(vec!["what", "value"], rows));
        sections.push(Section::below(
            format!("score-{}", stage.name),
            &stage.name,
            blocks,
        ));
    }
    sections
}

fn sources(plan: &Plan, declared: &Declared) -> Vec<Section> {
    let systems = declared.systems.iter().filter(|(system, _)| {
        let mut sources = plan.sources.iter();
        sources.any(|source| system_of(source) == system.as_str())
    });
    let systems = systems.map(|(system, told)| vec![code(system), text(told)]);
    let blocks = vec![Block::Grid(vec!["system", "what it is"], systems.collect())];
    let mut sections = vec![Section::chapter("sources", "Sources", blocks)];
    for source in &plan.sources {
        let readers = plan.stages.iter();
        let readers = readers.filter(|stage| stage.inputs.contains(&source.name));
        let table = &source.table;
        let place = format!("{}/{}", source.store, table.path.value);
        let mut columns: Vec<Vec<Line>> = Vec::new();
        for (name, column) in &table.columns {
            let column = &column.value;
            let ends = [column.minimum.as_ref(), column.maximum.as_ref()];
            let kind = kind_of(column.sql_type, ends, column.accepted_values.as_deref());
            columns.push(vec![
                code(name),
                text(kind),
                text(if column.required { "yes" } else { "" }),
                text(written(column)),
                text(column.description.as_deref().unwrap_or_default()),
            ]);
        }
        for (name, kind) in &table.partitions {
            let told = "stands in the path as name=value";
            columns.push(vec![
                code(name),
                text(kind.to_string()),
                text(""),
                text(told),
                text(""),
            ]);
        }
        let mut facts = Vec::new();
        let grain = table.grain.as_ref();
        facts.extend(grain.map(|grain| labelled("Grain", text(grain))));
        if !table.key.is_empty() {
            let key = table.key.iter();
            let key = key.map(|column| Inline::Code(column.value.clone()));
            facts.push(labelled("Key", listed(key, "")));
        }
        facts.extend([
            labelled("Objects (store/path)", code(place)),
            labelled("Format", text(format_of(&table.format))),
            labelled(
                "Share of rows that may be set aside",
                code(source.tolerance.max_bad_share.to_string()),
            ),
            labelled(
                "Columns that are not as declared (schema_drift)",
                code(source.tolerance.schema_drift.name()),
            ),
            labelled(
                "Read by",
                tables(readers.map(|stage| &stage.name), "nobody"),
            ),
        ]);
        facts.extend(checks_of(plan, &source.name));
        let blocks = vec![
            Block::Line(text(&table.description)),
            Block::List(facts),
            Block::Grid(
                vec!["column", "type", "required", "written as", "description"],
                columns,
            ),
        ];
        sections.push(Section::below(table_id(&source.name), &source.name, blocks));
    }
    sections
}

/// The checks that the contract or the source file of a table declares; none where it declares none.
pub(super) fn checks_of(plan: &Plan, table: &str) -> Option<Line> {
    let checks = plan.checks.iter();
    let of_it = checks.filter(|check| check.table.as_deref() == Some(table));
    let names: Vec<&String> = of_it.map(|check| &check.name).collect();
    (!names.is_empty()).then(|| labelled("Checks", tables(names, "")))
}

fn system_of(source: &PlannedSource) -> &str {
    source.name.split('.').next().unwrap_or_default()
}

/// How a cell is written, where that is not the default.
fn written(column: &RawColumn) -> String {
    let mut parts = Vec::new();
    parts.extend(column.format.clone());
    parts.extend(column.timezone.as_ref().map(|zone| format!("in {zone}")));
    parts.extend(
        column
            .decimal_separator
            .map(|mark| format!("decimals behind {mark}")),
    );
    parts.extend(
        column
            .thousands_separator
            .map(|mark| format!("thousands by {mark}")),
    );
    parts.join(", ")
}

fn format_of(format: &Format) -> String {
    match format {
        Format::Csv(csv) => csv_format(csv),
        Format::Ndjson(json) => format!("one JSON object a line{}", compressed(json.compression)),
        Format::Parquet => "Parquet".to_owned(),
    }
}

fn csv_format(csv: &CsvFormat) -> String {
    let delimiter = match csv.delimiter {
        Delimiter::Char('\t') => "tabs".to_owned(),
        Delimiter::Char(mark) => format!("“{mark}”"),
        Delimiter::Whitespace => "whitespace".to_owned(),
    };
    let header = if csv.header { "with" } else { "without" };
    let quote = csv
        .quote
        .map_or("no quotes".to_owned(), |mark| format!("quoted by {mark}"));
    let compression = compressed(csv.compression);
    format!("text delimited by {delimiter}, {header} a header, {quote}{compression}")
}

const fn compressed(compression: Compression) -> &'static str {
    match compression {
        Compression::Auto => ", compressed as its ending says",
        Compression::None => "",
        Compression::Gzip => ", compressed by gzip",
        Compression::Zstd => ", compressed by Zstandard",
    }
}
