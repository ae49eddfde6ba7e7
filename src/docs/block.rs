//! What a page is made of, whatever it is written as.

use crate::plan::lineage::{Origin, Origins};

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inline {
    /// Words.
    Text(String),
    /// A name or a value.
    Code(String),
    /// A table, which has a section of its own.
    Table(String),
    /// A column of a table, which has a section of its own.
    Origin(Origin),
}

/// A line or a cell.
pub(super) type Line = Vec<Inline>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// A paragraph.
    Line(Line),
    /// A list.
    List(Vec<Line>),
    /// A table with its head.
    Grid(Vec<&'static str>, Vec<Vec<Line>>),
    /// The graph of all tables.
    Graph,
}

/// A heading and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// What links name.
    pub(super) id: String,
    pub(super) title: String,
    /// 2 for a chapter, 3 below it.
    pub(super) level: u8,
    pub(super) blocks: Vec<Block>,
}

impl Section {
    pub(super) fn chapter(id: &str, title: &str, blocks: Vec<Block>) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            level: 2,
            blocks,
        }
    }

    pub(super) fn below(id: String, title: &str, blocks: Vec<Block>) -> Self {
        Self {
            id,
            title: title.to_owned(),
            level: 3,
            blocks,
        }
    }
}

/// The id of a table's section.
pub(super) fn table_id(table: &str) -> String {
    format!("table-{}", table.replace('.', "-"))
}

/// Words, in one line.
pub(super) fn text(words: impl AsRef<str>) -> Line {
    let words: Vec<&str> = words.as_ref().split_whitespace().collect();
    vec![Inline::Text(words.join(" "))]
}

pub(super) fn code(name: impl Into<String>) -> Line {
    vec![Inline::Code(name.into())]
}

/// Pieces with commas between them; `none` where there are none.
pub(super) fn listed(pieces: impl IntoIterator<Item = Inline>, none: &str) -> Line {
    let mut line = Line::new();
    for piece in pieces {
        if !line.is_empty() {
            line.push(Inline::Text(", ".to_owned()));
        }
        line.push(piece);
    }
    if line.is_empty() && !none.is_empty() {
        line.push(Inline::Text(none.to_owned()));
    }
    line
}

pub(super) fn tables<'a>(names: impl IntoIterator<Item = &'a String>, none: &str) -> Line {
    let names = names.into_iter();
    listed(names.map(|name| Inline::Table(name.clone())), none)
}

pub(super) fn origins(origins: &Origins) -> Line {
    let pieces = origins.iter().cloned().map(Inline::Origin);
    listed(pieces, "a constant or a parameter")
}

/// `label: line`.
pub(super) fn labelled(label: &str, line: Line) -> Line {
    let mut labelled = vec![Inline::Text(format!("{label}: "))];
    labelled.extend(line);
    labelled
}
