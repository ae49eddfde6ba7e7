//! Checks that rows break, and how a person is told of them.

use std::fmt;

/// A check that rows break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenCheck {
    /// The check.
    pub check: String,
    /// What should hold.
    pub description: String,
    /// What was found instead.
    pub found: String,
    /// Some of the rows that break it, as `column = value` each.
    pub examples: Vec<String>,
    /// What to do.
    pub help: String,
    /// Where the rows that break it lie, if any do.
    pub rows_at: Option<String>,
}

impl BrokenCheck {
    /// The check with so many of its rows.
    fn lines(&self, examples: usize) -> Vec<String> {
        let Self { check, found, .. } = self;
        let mut lines = vec![format!(
            "`{check}`: {found}: {}",
            in_a_line(&self.description)
        )];
        let shown = self.examples.iter().take(examples);
        lines.extend(shown.map(|example| format!("  {}", in_a_line(example))));
        lines.push(format!("  to do: {}", in_a_line(&self.help)));
        lines.extend(self.rows_at.iter().map(|place| format!("  rows: {place}")));
        lines
    }
}

impl fmt::Display for BrokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines(self.examples.len()).join("\n  "))
    }
}

/// All that is known of broken checks.
pub(super) fn told(broken: &[BrokenCheck]) -> String {
    let mut text = heading(broken);
    for line in broken
        .iter()
        .flat_map(|check| check.lines(check.examples.len()))
    {
        text.push_str(&format!("\n  {line}"));
    }
    text
}

/// Broken checks in so many lines at most, which should be five or more: the first that have room with what to do about
/// each, as many of their rows as have room then, and how many more checks there are.
pub fn told_within(broken: &[BrokenCheck], lines: usize) -> String {
    let whole = told(broken);
    if whole.lines().count() <= lines {
        return whole;
    }
    // Beside the heading and the line that names the others.
    let mut room = lines.saturating_sub(2);
    let mut shown: Vec<&BrokenCheck> = Vec::new();
    for check in broken {
        let least = check.lines(0).len();
        if least > room {
            break;
        }
        room -= least;
        shown.push(check);
    }
    let left_out = broken.get(shown.len()..).unwrap_or_default();
    if left_out.is_empty() {
        room += 1;
    }
    let mut text = heading(broken);
    for check in shown {
        let examples = check.examples.len().min(room);
        room -= examples;
        for line in check.lines(examples) {
            text.push_str(&format!("\n  {line}"));
        }
    }
    if let Some(next) = left_out.first() {
        text.push_str(&match left_out.len() {
            1 => format!("\n  and `{}`; --log json tells all of it", next.check),
            several => format!(
                "\n  and {several} more, as `{}`; --log json tells all of them",
                next.check
            ),
        });
    }
    text
}

fn heading(broken: &[BrokenCheck]) -> String {
    match broken.len() {
        1 => "a check is broken; nothing was published".to_owned(),
        several => format!("{several} checks are broken; nothing was published"),
    }
}

/// What people write, or a cell holds, may have lines of its own.
fn in_a_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(check: &str, examples: usize, rows_at: Option<&str>) -> BrokenCheck {
        BrokenCheck {
            check: check.to_owned(),
            description: "Nobody owes\nanything.".to_owned(),
            found: "7 rows break it".to_owned(),
            examples: (0..examples).map(|row| format!("id = {row}")).collect(),
            help: "look at the shop".to_owned(),
            rows_at: rows_at.map(str::to_owned),
        }
    }

    #[test]
    fn one_check_is_told_whole() {
        let text = "a check is broken; nothing was published\n  \
                    `debts`: 7 rows break it: Nobody owes anything.\n    \
                    id = 0\n    \
                    id = 1\n    \
                    to do: look at the shop\n    \
                    rows: file:///debts.csv";
        let one = [broken("debts", 2, Some("file:///debts.csv"))];
        assert_eq!(told_within(&one, 10), text);
        assert_eq!(told(&one), text);
        let longest = [broken("debts", 5, Some("file:///debts.csv"))];
        assert_eq!(told_within(&longest, 10), told(&longest));
    }

    #[test]
    fn rows_give_way_to_checks() {
        let two = [
            broken("debts", 1, None),
            broken("gifts", 5, Some("file:///gifts.csv")),
        ];
        assert_eq!(
            told_within(&two, 10),
            "2 checks are broken; nothing was published\n  \
             `debts`: 7 rows break it: Nobody owes anything.\n    \
             id = 0\n    \
             to do: look at the shop\n  \
             `gifts`: 7 rows break it: Nobody owes anything.\n    \
             id = 0\n    \
             id = 1\n    \
             id = 2\n    \
             to do: look at the shop\n    \
             rows: file:///gifts.csv"
        );
        assert_eq!(told(&two).lines().count(), 12);
    }

    #[test]
    fn of_many_checks_the_first_are_told() {
        let many: Vec<BrokenCheck> = (0..9)
            .map(|number| broken(&format!("check_{number}"), 5, Some("file:///rows.csv")))
            .collect();
        let text = told_within(&many, 10);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(
            lines.first().copied(),
            Some("9 checks are broken; nothing was published")
        );
        assert_eq!(
            lines.last().copied(),
            Some("  and 7 more, as `check_2`; --log json tells all of them")
        );
        assert!(told(&many).contains("`check_8`"));
    }
}
