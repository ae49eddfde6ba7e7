//! Sections as one HTML page that loads nothing else.

use std::fmt::Write;

use super::block::{Block, Inline, Line, Section, table_id};
use super::graph;
use crate::plan::Plan;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// A cell with more origins than these is folded.
const SHOWN: usize = 6;

pub(super) fn page(plan: &Plan, sections: &[Section]) -> String {
    let name = escape(&plan.pipeline);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <nav>\n<h1>{name}</h1>\n\
         <input id=\"search\" type=\"search\" placeholder=\"Search tables, columns, words\" aria-label=\"Search\">\n<ul>\n"
    );
    for section in sections {
        let (id, title, level) = (&section.id, escape(&section.title), section.level);
        let _ = writeln!(
            page,
            "<li class=\"l{level}\"><a href=\"#{id}\">{title}</a></li>"
        );
    }
    page.push_str("</ul>\n</nav>\n<main>\n");
    for section in sections {
        let (id, title, level) = (&section.id, escape(&section.title), section.level);
        let _ = writeln!(page, "<section id=\"{id}\">\n<h{level}>{title}</h{level}>");
        for block in &section.blocks {
            write_block(&mut page, plan, block);
        }
        page.push_str("</section>\n");
    }
    let _ = write!(
        page,
        "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    );
    page
}

fn write_block(page: &mut String, plan: &Plan, block: &Block) {
    match block {
        Block::Line(line) => {
            let _ = writeln!(page, "<p>{}</p>", line_of(line));
        }
        Block::List(lines) => {
            page.push_str("<ul>\n");
            for line in lines {
                let _ = writeln!(page, "<li>{}</li>", line_of(line));
            }
            page.push_str("</ul>\n");
        }
        Block::Grid(head, rows) => {
            page.push_str("<div class=\"wide\"><table>\n<thead><tr>");
            for title in head {
                let _ = write!(page, "<th>{}</th>", escape(title));
            }
            page.push_str("</tr></thead>\n<tbody>\n");
            for row in rows {
                page.push_str("<tr>");
                for cell in row {
                    let _ = write!(page, "<td>{}</td>", cell_of(cell));
                }
                page.push_str("</tr>\n");
            }
            page.push_str("</tbody>\n</table></div>\n");
        }
        Block::Graph => {
            let _ = writeln!(
                page,
                "<div class=\"wide graph\">\n{}</div>",
                graph::svg(plan)
            );
        }
    }
}

fn cell_of(cell: &Line) -> String {
    let is_origin = |piece: &&Inline| matches!(piece, Inline::Origin(_));
    let origins = cell.iter().filter(is_origin).count();
    let line = line_of(cell);
    if origins > SHOWN {
        format!("<details><summary>{origins} origins</summary>{line}</details>")
    } else {
        line
    }
}

fn line_of(line: &Line) -> String {
    let pieces = line.iter().map(|piece| match piece {
        Inline::Text(words) => escape(words),
        Inline::Code(name) if name.is_empty() => String::new(),
        Inline::Code(name) => format!("<code>{}</code>", escape(name)),
        Inline::Table(table) => link(table, table),
        Inline::Origin(origin) => match &origin.column {
            Some(column) => link(&origin.table, &format!("{}.{column}", origin.table)),
            None => format!("rows of {}", link(&origin.table, &origin.table)),
        },
    });
    pieces.collect()
}

fn link(table: &str, words: &str) -> String {
    let (id, words) = (escape(&table_id(table)), escape(words));
    format!("<a href=\"#{id}\"><code>{words}</code></a>")
}

/// Text as HTML shows it, in an attribute too.
pub(super) fn escape(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
