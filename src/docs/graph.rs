//! The graph of all tables as SVG: each table in a column behind all that it reads, so that every line goes to the right.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::block::table_id;
use super::html::escape;
use crate::plan::{Layer, Plan};

const ROW: usize = 28;
const BOX: usize = 20;
const LETTER: usize = 7;
const GAP: usize = 60;
const MARGIN: usize = 10;
/// How often columns are put in the order of what they read and who reads them.
const SWEEPS: usize = 4;

struct Node<'a> {
    name: &'a str,
    layer: Layer,
    inputs: Vec<usize>,
    column: usize,
}

/// Where a box lies.
#[derive(Clone, Copy, Default)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
}

pub(super) fn svg(plan: &Plan) -> String {
    let nodes = nodes_of(plan);
    let columns = columns_of(&nodes);
    let (places, width, height) = places_of(&nodes, &columns);
    let mut svg = format!(
        "<svg id=\"graph\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"What each table reads\">\n"
    );
    for (to, node) in nodes.iter().enumerate() {
        for from in &node.inputs {
            let (Some(a), Some(b)) = (places.get(*from), places.get(to)) else {
                continue;
            };
            let (x1, y1) = (a.x + a.width, a.y + BOX / 2);
            let (x2, y2) = (b.x, b.y + BOX / 2);
            let bend = GAP / 2;
            let (c1, c2) = (x1 + bend, x2.saturating_sub(bend));
            let _ = writeln!(
                svg,
                "<path data-from=\"{from}\" data-to=\"{to}\" d=\"M{x1} {y1}C{c1} {y1} {c2} {y2} {x2} {y2}\"/>"
            );
        }
    }
    for (index, (node, place)) in nodes.iter().zip(&places).enumerate() {
        let (id, name) = (escape(&table_id(node.name)), escape(node.name));
        let class = class_of(node.layer);
        let Place { x, y, width } = *place;
        let (tx, ty) = (x + 8, y + 14);
        let _ = writeln!(
            svg,
            "<a href=\"#{id}\" class=\"{class}\" data-node=\"{index}\">\
             <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX}\" rx=\"4\"/>\
             <text x=\"{tx}\" y=\"{ty}\">{name}</text></a>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}

const fn class_of(layer: Layer) -> &'static str {
    match layer {
        Layer::Raw => "raw",
        Layer::Staging => "staging",
        Layer::Entity => "entity",
        Layer::Intermediate => "intermediate",
        Layer::Score => "score",
        Layer::Mart => "mart",
        Layer::Check => "check",
    }
}

/// Raw tables, then stages, each with its column: behind its inputs, and not before its layer begins.
fn nodes_of(plan: &Plan) -> Vec<Node<'_>> {
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    let mut nodes: Vec<Node<'_>> = Vec::new();
    for source in &plan.sources {
        index.insert(&source.name, nodes.len());
        nodes.push(Node {
            name: &source.name,
            layer: Layer::Raw,
            inputs: Vec::new(),
            column: 0,
        });
    }
    for stage in &plan.stages {
        let inputs = stage.inputs.iter();
        let inputs: Vec<usize> = inputs
            .filter_map(|input| index.get(input.as_str()).copied())
            .collect();
        let behind = inputs.iter().filter_map(|input| nodes.get(*input));
        let behind = behind.map(|node| node.column + 1).max().unwrap_or(0);
        let least = match stage.layer {
            Layer::Raw => 0,
            Layer::Staging => 1,
            Layer::Entity => 2,
            Layer::Intermediate | Layer::Score | Layer::Mart | Layer::Check => 3,
        };
        index.insert(&stage.name, nodes.len());
        nodes.push(Node {
            name: &stage.name,
            layer: stage.layer,
            inputs,
            column: behind.max(least),
        });
    }
    nodes
}

/// The nodes of each column from top to bottom: each near the middle of its neighbours, so that fewer lines cross.
fn columns_of(nodes: &[Node<'_>]) -> Vec<Vec<usize>> {
    let count = nodes.iter().map(|node| node.column + 1).max().unwrap_or(0);
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (to, node) in nodes.iter().enumerate() {
        if let Some(column) = columns.get_mut(node.column) {
            column.push(to);
        }
        for from in &node.inputs {
            for (one, other) in [(to, *from), (*from, to)] {
                if let Some(list) = neighbours.get_mut(one) {
                    list.push(other);
                }
            }
        }
    }
    for _ in 0..SWEEPS {
        for at in 0..count {
            // Thousandths of the height of a column, so that columns of different lengths compare.
            let mut heights = vec![0_usize; nodes.len()];
            for column in &columns {
                for (row, node) in column.iter().enumerate() {
                    if let Some(height) = heights.get_mut(*node) {
                        *height = (2 * row + 1) * 1000 / (2 * column.len());
                    }
                }
            }
            let wanted = |node: usize| {
                let list = neighbours.get(node).map_or(&[][..], Vec::as_slice);
                let sum: usize = list.iter().filter_map(|other| heights.get(*other)).sum();
                let own = heights.get(node).copied().unwrap_or_default();
                sum.checked_div(list.len()).unwrap_or(own)
            };
            if let Some(column) = columns.get_mut(at) {
                column.sort_by_key(|node| (wanted(*node), *node));
            }
        }
    }
    columns
}

fn places_of(nodes: &[Node<'_>], columns: &[Vec<usize>]) -> (Vec<Place>, usize, usize) {
    let mut places = vec![Place::default(); nodes.len()];
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut x = MARGIN;
    for column in columns {
        let names = column.iter().filter_map(|node| nodes.get(*node));
        let letters = names
            .map(|node| node.name.chars().count())
            .max()
            .unwrap_or(0);
        let width = letters * LETTER + 16;
        let top = MARGIN + (longest - column.len()) * ROW / 2;
        for (row, node) in column.iter().enumerate() {
            if let Some(place) = places.get_mut(*node) {
                *place = Place {
                    x,
                    y: top + row * ROW,
                    width,
                };
            }
        }
        x += width + GAP;
    }
    (
        places,
        x.saturating_sub(GAP) + MARGIN,
        longest * ROW + 2 * MARGIN,
    )
}
