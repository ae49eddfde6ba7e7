//! One section a table: what it promises, its columns, what it reads, who reads it, and where its values come from.

use crate::engine::types::sql_type;
use crate::plan::lineage::Traces;
use crate::plan::{
    CHECK_RESULTS, Layer, MODEL_CALIBRATION, MODEL_FITS, Plan, PlannedStage, ROWS_SET_ASIDE, Work,
    check_results_schema,
};
use crate::score::{calibration_schema, fits_schema};
use crate::source::set_aside_schema;
use crate::spec::check::Severity;
use crate::spec::{Literal, Spanned, SqlType};

use super::block::{
    Block, Inline, Line, Section, code, labelled, listed, origins, table_id, tables, text,
};
use super::declared::Declared;
use super::sections::checks_of;

/// From what readers see to what it is made of.
const LAYERS: [(Layer, &str); 6] = [
    (Layer::Mart, "Marts"),
    (Layer::Check, "Rules that no row may break"),
    (Layer::Score, "Scored tables"),
    (Layer::Intermediate, "Intermediate tables"),
    (Layer::Entity, "Entities"),
    (Layer::Staging, "Staging tables"),
];

pub(super) fn of(plan: &Plan, declared: &Declared) -> Vec<Section> {
    let traces = Traces::of(plan);
    let mut sections = Vec::new();
    for (layer, title) in LAYERS {
        let stages: Vec<_> = plan
            .stages
            .iter()
            .filter(|stage| stage.layer == layer)
            .collect();
        if stages.is_empty() {
            continue;
        }
        let id = title.to_lowercase().replace(' ', "-");
        sections.push(Section::chapter(&id, title, about(layer)));
        for stage in stages {
            let mut blocks = head(plan, declared, stage);
            blocks.push(columns(stage));
            blocks.extend(lineage(stage, &traces));
            sections.push(Section::below(table_id(&stage.name), &stage.name, blocks));
        }
    }
    sections.extend(own(plan));
    sections
}

/// What there is to know of a layer's lineage.
fn about(layer: Layer) -> Vec<Block> {
    let told = match layer {
        Layer::Mart => {
            "Lineage tells for each column the columns that its value is made of, as the typed plan of the SQL has it: \
             all that the expression reads. What only decides which rows there are (filters, join keys, grouping) is not \
             told a column. A count of rows comes from the rows of a table; of a left join these are the left table's."
        }
        Layer::Score => {
            "Every column of a scored table comes from all columns that its scorer reads."
        }
        Layer::Entity => {
            "A column of an entity comes from the columns of its name in the tables that are bound to it."
        }
        Layer::Check => {
            "Each is a query for rows that break a rule. Where one finds more than it allows the run publishes nothing, unless it is a warning."
        }
        Layer::Intermediate | Layer::Staging | Layer::Raw => return Vec::new(),
    };
    vec![Block::Line(text(told))]
}

fn head(plan: &Plan, declared: &Declared, stage: &PlannedStage) -> Vec<Block> {
    let mut blocks = Vec::new();
    let contract = stage.contract.as_ref();
    let score = declared.scores.get(&stage.name);
    let score = score.filter(|_| stage.layer == Layer::Score);
    let told = contract.map(|contract| contract.description.as_str());
    let told = told.or(score.and_then(|(_, told)| told.as_deref()));
    blocks.extend(told.map(|told| Block::Line(text(told))));
    let mut lines = Vec::new();
    let published = plan.outputs.iter().any(|output| output.table == stage.name);
    let layer = stage.layer.name();
    lines.push(labelled(
        "Layer",
        text(if published {
            format!("{layer}, published")
        } else {
            layer.to_owned()
        }),
    ));
    if let Some(contract) = contract {
        lines.push(labelled("Grain", text(&contract.grain)));
        let key = contract
            .key
            .iter()
            .map(|column| Inline::Code(column.value.clone()));
        lines.push(labelled("Key", listed(key, "")));
        if let Some(check) = &contract.check {
            let follows = match check.severity {
                Severity::Error => "the run stops",
                Severity::Warning => "the run goes on and warns",
            };
            lines.push(labelled(
                "Rows that may break it",
                text(check.max_rows.to_string()),
            ));
            if let (Some(share), Some(table)) = (&check.max_share, &check.table) {
                let told = format!("{} of the rows of {}", share.value, table.value);
                lines.push(labelled("Share that may", text(told)));
            }
            lines.push(labelled("Where more do", text(follows)));
            lines.push(labelled("What to do", text(&check.help)));
        }
    }
    let none = if stage.layer == Layer::Entity {
        "nothing is bound to it: the table is empty"
    } else {
        "no table"
    };
    lines.push(labelled("Reads", tables(&stage.inputs, none)));
    let readers = plan.stages.iter();
    let readers = readers.filter(|other| other.inputs.contains(&stage.name));
    let none = if published {
        "whoever reads what is published"
    } else {
        "nobody"
    };
    lines.push(labelled(
        "Read by",
        tables(readers.map(|other| &other.name), none),
    ));
    lines.extend(checks_of(plan, &stage.name));
    if let Work::Sql(statement) = &stage.work {
        let names = crate::plan::parameters::names(statement).into_iter();
        let names: Vec<Inline> = names.map(|name| Inline::Code(format!("${name}"))).collect();
        if !names.is_empty() {
            lines.push(labelled("Parameters", listed(names, "")));
        }
    }
    if let Work::Score { scorer, .. } = &stage.work {
        lines.push(labelled("Scorer", code(*scorer)));
    }
    if let Some(file) = declared.files.get(&stage.name) {
        lines.push(labelled("Made by", code(file)));
    }
    blocks.push(Block::List(lines));
    blocks
}

fn columns(stage: &PlannedStage) -> Block {
    let rows = match (&stage.contract, &stage.work) {
        (Some(contract), _) => contract
            .columns
            .iter()
            .map(|(name, column)| {
                let column = &column.value;
                let ends = [column.minimum.as_ref(), column.maximum.as_ref()];
                let kind = kind_of(column.sql_type, ends, column.accepted_values.as_deref());
                row(name, kind, column.required, &column.description)
            })
            .collect(),
        (None, Work::Score { checked, .. }) => {
            let made = checked.output().iter();
            made.map(|made| {
                row(
                    made.name,
                    made.sql_type.to_string(),
                    false,
                    made.description,
                )
            })
            .collect()
        }
        (None, _) => rows_of(&stage.schema),
    };
    Block::Grid(COLUMNS.to_vec(), rows)
}

/// The type of a column and the values that it can hold.
pub(super) fn kind_of(
    sql_type: SqlType,
    [minimum, maximum]: [Option<&Literal>; 2],
    accepted: Option<&[Spanned<Literal>]>,
) -> String {
    let mut kind = sql_type.to_string();
    if let Some(minimum) = minimum {
        kind.push_str(&format!(", at least {minimum}"));
    }
    if let Some(maximum) = maximum {
        kind.push_str(&format!(", at most {maximum}"));
    }
    if let Some(accepted) = accepted {
        let values: Vec<String> = accepted.iter().map(|it| it.value.to_string()).collect();
        kind.push_str(&format!(", one of {}", values.join(", ")));
    }
    kind
}

const COLUMNS: [&str; 4] = ["column", "type", "required", "description"];

fn row(name: &str, kind: String, required: bool, description: &str) -> Vec<Line> {
    let required = if required { "yes" } else { "" };
    vec![code(name), text(kind), text(required), text(description)]
}

fn rows_of(schema: &arrow::datatypes::Schema) -> Vec<Vec<Line>> {
    let fields = schema.fields().iter();
    fields
        .map(|field| {
            let kind = sql_type(field.data_type()).map(|known| known.to_string());
            row(
                field.name(),
                kind.unwrap_or_default(),
                !field.is_nullable(),
                "",
            )
        })
        .collect()
}

/// Direct origins; of marts also the entities' columns and the raw ones.
fn lineage(stage: &PlannedStage, traces: &Traces) -> Vec<Block> {
    let columns = stage.lineage.columns.iter();
    if let (Layer::Score, Some((_, from))) = (stage.layer, stage.lineage.columns.first()) {
        return vec![Block::Line(labelled(
            "Every column comes from",
            origins(from),
        ))];
    }
    let is_mart = stage.layer == Layer::Mart;
    let rows = columns.map(|(name, from)| {
        let mut row = vec![code(name), origins(from)];
        if is_mart {
            row.push(origins(&traces.entities(&stage.name, name)));
            row.push(origins(&traces.raw(&stage.name, name)));
        }
        row
    });
    let mut head = vec!["column", "comes from"];
    if is_mart {
        head.extend(["of the entities", "of the raw tables"]);
    }
    vec![
        Block::Line(labelled(
            "Rows come from",
            tables(&stage.lineage.rows, "no table"),
        )),
        Block::Grid(head, rows.collect()),
    ]
}

/// The tables that cvm makes itself.
fn own(plan: &Plan) -> Vec<Section> {
    let mut made = vec![(
        ROWS_SET_ASIDE,
        "Every row that did not fit its contract, with its text and the reason.",
        set_aside_schema(),
    )];
    made.push((
        CHECK_RESULTS,
        "What every check found, in the last run and in those of other as-of days before it.",
        check_results_schema(),
    ));
    if plan.has_scores() {
        made.push((
            MODEL_FITS,
            "Every model that was fitted and what it was chosen by.",
            fits_schema(),
        ));
        made.push((
            MODEL_CALIBRATION,
            "Predictions held against what came.",
            calibration_schema(),
        ));
    }
    let mut sections = vec![Section::chapter("own", "Tables of every run", Vec::new())];
    sections.extend(made.into_iter().map(|(name, told, schema)| {
        let blocks = vec![
            Block::Line(text(told)),
            Block::Grid(COLUMNS.to_vec(), rows_of(&schema)),
        ];
        Section::below(table_id(name), name, blocks)
    }));
    sections
}
