//! Sections as Markdown, in the dialect of GitHub.

use std::fmt::Write;

use super::block::{Block, Inline, Line, Section, table_id};
use crate::plan::{Plan, render};

pub(super) fn page(plan: &Plan, sections: &[Section]) -> String {
    let mut page = format!("# {}\n\n", escape(&plan.pipeline));
    for section in sections {
        let indent = if section.level > 2 { "  " } else { "" };
        let _ = writeln!(
            page,
            "{indent}- [{}](#{})",
            escape(&section.title),
            section.id
        );
    }
    for section in sections {
        let marks = "#".repeat(usize::from(section.level));
        let (id, title) = (&section.id, escape(&section.title));
        // An anchor of our own: renderers make different ones of a heading.
        let _ = write!(page, "\n<a id=\"{id}\"></a>\n\n{marks} {title}\n");
        for block in &section.blocks {
            page.push('\n');
            write_block(&mut page, plan, block);
        }
    }
    page
}

fn write_block(page: &mut String, plan: &Plan, block: &Block) {
    match block {
        Block::Line(line) => {
            let _ = writeln!(page, "{}", line_of(line));
        }
        Block::List(lines) => {
            for line in lines {
                let _ = writeln!(page, "- {}", line_of(line));
            }
        }
        Block::Grid(head, rows) => {
            let _ = writeln!(page, "| {} |", head.join(" | "));
            let _ = writeln!(page, "|{}", " --- |".repeat(head.len()));
            for row in rows {
                let cells: Vec<String> = row.iter().map(line_of).collect();
                let _ = writeln!(page, "| {} |", cells.join(" | "));
            }
        }
        Block::Graph => {
            let _ = write!(page, "```mermaid\n{}```\n", render::mermaid(plan));
        }
    }
}

fn line_of(line: &Line) -> String {
    let pieces = line.iter().map(|piece| match piece {
        Inline::Text(words) => escape(words),
        Inline::Code(name) => code(name),
        Inline::Table(table) => link(table, table),
        Inline::Origin(origin) => match &origin.column {
            Some(column) => link(&origin.table, &format!("{}.{column}", origin.table)),
            None => format!("rows of {}", link(&origin.table, &origin.table)),
        },
    });
    pieces.collect()
}

fn link(table: &str, words: &str) -> String {
    format!("[{}](#{})", escape(words), table_id(table))
}

/// Words that mean themselves, in a cell too.
fn escape(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' | '*' | '`' | '[' | ']' | '\\' | '_' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A code span with a fence longer than any run of backticks in it.
fn code(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    let name = name.replace(['\n', '\r'], " ").replace('|', "\\|");
    let longest = name.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{name}{space}{fence}")
}
