//! Whether exactly one rule holds for every possible row.
//!
//! Each column that a rule looks at is an axis, cut into cells within which all values meet the same conditions. The
//! cells of the whole space are the combinations of these, of which each must lie under one rule. The walk goes
//! from axis to axis with the set of rules that can still hold; where none is left all that lies beyond is a gap.

use super::axis::{Axis, Rules};

/// More combinations than this are not walked.
pub(super) const MOST_CELLS: usize = 1_000_000;
/// As many gaps are told of one scheme; whoever closes them sees the next.
const MOST_GAPS: usize = 3;

/// What is wrong with a table of rules. Rules are told by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// No rule holds for rows like the witness; an empty witness stands for any row.
    Gap { witness: String },
    /// Two rules hold for rows like the witness; an empty witness stands for any row.
    Overlap {
        first: usize,
        second: usize,
        witness: String,
    },
    /// No value of the column meets the rule's condition.
    Never { rule: usize, column: String },
    /// There are too many combinations to walk.
    TooMany { cells: usize },
}

/// Walks all combinations of the cells of `axes`; returns how many there are and what is wrong.
///
/// `looks_at(rule, axis)` tells whether a rule has a condition on an axis.
pub(super) fn prove(
    rules: usize,
    axes: &[Axis],
    looks_at: &dyn Fn(usize, usize) -> bool,
) -> (usize, Vec<Finding>) {
    let cells = axes
        .iter()
        .fold(1_usize, |all, axis| all.saturating_mul(axis.cells.len()));
    let mut findings = Vec::new();
    for (index, rule) in (0..rules).flat_map(|rule| (0..axes.len()).map(move |axis| (axis, rule))) {
        if let Some(axis) = axes.get(index)
            && !axis.cells.iter().any(|cell| contains(&cell.rules, rule))
        {
            let column = axis.column.clone();
            findings.push(Finding::Never { rule, column });
        }
    }
    if cells > MOST_CELLS {
        findings.push(Finding::TooMany { cells });
        return (cells, findings);
    }
    let mut all: Rules = vec![0; rules.div_ceil(64)];
    for rule in 0..rules {
        if let Some(word) = all.get_mut(rule / 64) {
            *word |= 1 << (rule % 64);
        }
    }
    let anywhere = axes.iter().map(|axis| {
        let none = vec![0; all.len()];
        axis.cells
            .iter()
            .fold(none, |any, cell| either(&any, &cell.rules))
    });
    let mut walk = Walk {
        axes,
        anywhere: anywhere.collect(),
        looks_at,
        at: Vec::new(),
        gaps: Vec::new(),
        overlaps: Vec::new(),
    };
    walk.go(&all);
    let Walk { gaps, overlaps, .. } = walk;
    findings.extend(gaps.into_iter().map(|witness| Finding::Gap { witness }));
    findings.extend(overlaps);
    (cells, findings)
}

struct Walk<'a> {
    axes: &'a [Axis],
    /// For each axis the rules that some value of it meets.
    anywhere: Vec<Rules>,
    looks_at: &'a dyn Fn(usize, usize) -> bool,
    /// The cell of each axis that the walk has come through.
    at: Vec<usize>,
    gaps: Vec<String>,
    overlaps: Vec<Finding>,
}

impl Walk<'_> {
    fn go(&mut self, possible: &Rules) {
        if possible.iter().all(|word| *word == 0) {
            self.note_gap();
            return;
        }
        let Some(axis) = self.axes.get(self.at.len()) else {
            if possible.iter().map(|word| word.count_ones()).sum::<u32>() > 1 {
                self.note_overlaps(possible);
            }
            return;
        };
        for (index, cell) in axis.cells.iter().enumerate() {
            self.at.push(index);
            self.go(&both(possible, &cell.rules));
            self.at.pop();
        }
    }

    /// Notes the gap at this place, told by no more columns than it takes.
    fn note_gap(&mut self) {
        if self.gaps.len() == MOST_GAPS {
            return;
        }
        let mut fixed = vec![true; self.at.len()];
        for axis in 0..fixed.len() {
            if let Some(flag) = fixed.get_mut(axis) {
                *flag = false;
            }
            let still_a_gap = self.possible(&fixed).iter().all(|word| *word == 0);
            if let Some(flag) = fixed.get_mut(axis) {
                *flag = !still_a_gap;
            }
        }
        let witness = self.witness(|axis| fixed.get(axis).copied().unwrap_or_default());
        if !self.gaps.contains(&witness) {
            self.gaps.push(witness);
        }
    }

    /// The rules that some row meets whose values on the fixed axes are those of this place.
    fn possible(&self, fixed: &[bool]) -> Rules {
        let words = self.anywhere.first().map_or(0, Vec::len);
        let mut possible = vec![u64::MAX; words];
        for (index, anywhere) in self.anywhere.iter().enumerate() {
            let cell = self
                .at
                .get(index)
                .filter(|_| fixed.get(index) == Some(&true));
            let cell = cell.and_then(|cell| self.axes.get(index)?.cells.get(*cell));
            possible = both(&possible, cell.map_or(anywhere, |cell| &cell.rules));
        }
        possible
    }

    fn note_overlaps(&mut self, rules: &Rules) {
        let held: Vec<usize> = (0..rules.len() * 64)
            .filter(|rule| contains(rules, *rule))
            .collect();
        for (index, first) in held.iter().copied().enumerate() {
            for second in held.iter().copied().skip(index + 1) {
                let is_told = self.overlaps.iter().any(|told| {
                    matches!(told, Finding::Overlap { first: a, second: b, .. } if (*a, *b) == (first, second))
                });
                if is_told {
                    continue;
                }
                let witness = self
                    .witness(|axis| (self.looks_at)(first, axis) || (self.looks_at)(second, axis));
                self.overlaps.push(Finding::Overlap {
                    first,
                    second,
                    witness,
                });
            }
        }
    }

    /// A value of each wanted axis at this place.
    fn witness(&self, wanted: impl Fn(usize) -> bool) -> String {
        let axes = self.axes.iter().zip(&self.at).enumerate();
        let values = axes
            .filter(|(index, _)| wanted(*index))
            .filter_map(|(_, (axis, cell))| axis.cells.get(*cell))
            .map(|cell| cell.shown.clone());
        values.collect::<Vec<_>>().join(", ")
    }
}

fn contains(rules: &Rules, rule: usize) -> bool {
    rules
        .get(rule / 64)
        .is_some_and(|word| word & (1 << (rule % 64)) != 0)
}

fn both(a: &Rules, b: &Rules) -> Rules {
    a.iter().zip(b).map(|(a, b)| a & b).collect()
}

fn either(a: &Rules, b: &Rules) -> Rules {
    a.iter().zip(b).map(|(a, b)| a | b).collect()
}
