//! A plan for people and for tools: a tree, JSON, a Mermaid graph.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::engine::types::sql_type;

use super::{Layer, Plan, PlannedStage, RESERVED_TABLES, ROWS_SET_ASIDE, Work};

/// The plan as a tree: each output, below it what it reads.
pub fn tree(plan: &Plan) -> String {
    let mut text = format!("{} — {}\n", plan.pipeline, plan.description);
    let mut shown = Vec::new();
    for (index, output) in plan.outputs.iter().enumerate() {
        let last = index + 1 == plan.outputs.len();
        branch(plan, &output.table, "", last, &mut shown, &mut text);
    }
    let own = if plan.has_scores() {
        RESERVED_TABLES.join(", ")
    } else {
        ROWS_SET_ASIDE.to_owned()
    };
    let _ = writeln!(text, "and by itself: {own}");
    let _ = writeln!(text, "to {}/{}", plan.output_store, plan.output_path);
    text
}

fn branch(
    plan: &Plan,
    name: &str,
    indent: &str,
    last: bool,
    shown: &mut Vec<String>,
    text: &mut String,
) {
    let joint = if last { "└─ " } else { "├─ " };
    let _ = write!(text, "{indent}{joint}{name}");
    let Some(stage) = plan.stage(name) else {
        let described = plan.sources.iter().find(|source| source.name == name);
        let _ = match described {
            Some(source) => writeln!(text, "  raw, {}/{}", source.store, source.table.path.value),
            None => writeln!(text),
        };
        return;
    };
    let _ = write!(text, "  {}", describe(plan, stage));
    if stage.inputs.is_empty() && stage.layer == Layer::Entity {
        let _ = write!(text, ", nothing bound");
    }
    if shown.iter().any(|seen| seen == name) && !stage.inputs.is_empty() {
        let _ = writeln!(text, " (above)");
        return;
    }
    let _ = writeln!(text);
    shown.push(name.to_owned());
    let below = format!("{indent}{}", if last { "   " } else { "│  " });
    for (index, input) in stage.inputs.iter().enumerate() {
        branch(
            plan,
            input,
            &below,
            index + 1 == stage.inputs.len(),
            shown,
            text,
        );
    }
}

fn describe(plan: &Plan, stage: &PlannedStage) -> String {
    let kind = match &stage.work {
        Work::Score { scorer, .. } => format!("score by {scorer}"),
        _ => stage.layer.name().to_owned(),
    };
    let written = stage.is_materialised(plan.is_scored(&stage.name));
    format!(
        "{kind}, {} columns{}",
        stage.schema.fields().len(),
        if written { ", written down" } else { "" }
    )
}

/// The plan as JSON, for tools.
pub fn json(plan: &Plan) -> Value {
    let columns = |schema: &arrow::datatypes::SchemaRef| -> Vec<Value> {
        schema
            .fields()
            .iter()
            .map(|field| {
                let name = sql_type(field.data_type()).map(|known| known.to_string());
                json!({ "name": field.name(), "type": name })
            })
            .collect()
    };
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .map(|stage| {
            json!({
                "table": stage.name,
                "layer": stage.layer,
                "reads": stage.inputs,
                "written_down": stage.is_materialised(plan.is_scored(&stage.name)),
                "columns": columns(&stage.schema),
            })
        })
        .collect();
    let sources: Vec<Value> = plan
        .sources
        .iter()
        .map(|source| {
            json!({
                "table": source.name,
                "store": source.store,
                "path": source.table.path.value,
                "max_bad_share": source.tolerance.max_bad_share,
            })
        })
        .collect();
    json!({
        "pipeline": plan.pipeline,
        "description": plan.description,
        "fingerprint": plan.fingerprint,
        "parameters": plan.parameters.iter().map(|(k, v)| (k.clone(), v.to_string().into()))
            .collect::<serde_json::Map<String, Value>>(),
        "sources": sources,
        "stages": stages,
        "schemes": plan.schemes.iter().map(|scheme| json!({
            "scheme": scheme.name,
            "reads": scheme.reads,
            "segments": scheme.segments,
            "rules": scheme.rules,
            "combinations": scheme.cells,
        })).collect::<Vec<_>>(),
        "outputs": plan.outputs.iter().map(|output| output.table.as_str()).collect::<Vec<_>>(),
        "warnings": plan.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The plan as a Mermaid flowchart.
pub fn mermaid(plan: &Plan) -> String {
    let id = |name: &str| name.replace('.', "__");
    let mut text = "flowchart LR\n".to_owned();
    for source in &plan.sources {
        let _ = writeln!(text, "    {}[({})]", id(&source.name), source.name);
    }
    for stage in &plan.stages {
        let (open, close) = match stage.layer {
            Layer::Score => ("{{", "}}"),
            Layer::Mart => ("[[", "]]"),
            _ => ("[", "]"),
        };
        let _ = writeln!(text, "    {}{open}{}{close}", id(&stage.name), stage.name);
        for input in &stage.inputs {
            let _ = writeln!(text, "    {} --> {}", id(input), id(&stage.name));
        }
    }
    text
}
