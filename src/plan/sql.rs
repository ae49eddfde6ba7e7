//! A SQL file as one parsed query and the tables it reads.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{self, Query, SetExpr, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::spec::problem::{At, Problem, SourceText};

/// A query and what it reads.
pub(super) struct ParsedSql {
    pub(super) statement: Statement,
    /// Tables by name, sorted.
    pub(super) reads: Vec<String>,
    /// Whether anything is joined: `join`, or several tables behind one `from`.
    pub(super) joins: bool,
    /// Whether rows are cut off by `limit` or `offset`.
    pub(super) limits: bool,
}

/// What one query may chain: `a + b + c`, `x or y or z`, `… union all … union all …`. The engine walks such a chain by recursion, in
/// some places without a guard: some thousands overflow the stack, and the time grows with the square of the length.
const MOST_CHAINED: usize = 500;

pub(super) fn parse(file: &Arc<SourceText>) -> Result<ParsedSql, Problem> {
    let syntax = |at, message: String| {
        let help = "a SQL file holds one query; see https://datafusion.apache.org/user-guide/sql";
        Problem::new("cvm::plan::sql_syntax", file, at, message, help)
    };
    if let Some(line) = too_long_a_chain(&file.text) {
        return Err(Problem::new(
            "cvm::plan::sql_syntax",
            file,
            At { line, column: 1 },
            format!("the query chains more than {MOST_CHAINED} operators, joins or unions"),
            "list the values in a table of their own, or say `in (…)` or `case`",
        ));
    }
    let mut statements = DFParser::parse_sql(&file.text).map_err(|error| {
        let text = root_message(&error);
        syntax(
            place_in(&text),
            format!("the SQL does not parse: {}", without_place(&text)),
        )
    })?;
    let first = At { line: 1, column: 1 };
    let (Some(statement), true) = (statements.pop_front(), statements.is_empty()) else {
        return Err(syntax(
            first,
            "the file does not hold exactly one query".to_owned(),
        ));
    };
    let Statement::Statement(inner) = &statement else {
        return Err(syntax(first, "the statement is no query".to_owned()));
    };
    let ast::Statement::Query(_) = inner.as_ref() else {
        return Err(syntax(
            first,
            "the statement is no query: only `select` reads tables".to_owned(),
        ));
    };
    let (tables, _) = resolve_table_references(&statement, true)
        .map_err(|error| syntax(first, root_message(&error)))?;
    let reads: BTreeSet<String> = tables.iter().map(ToString::to_string).collect();
    let mut shape = Shape::default();
    let _: ControlFlow<()> = inner.visit(&mut shape);
    let Shape { joins, limits } = shape;
    Ok(ParsedSql {
        reads: reads.into_iter().collect(),
        statement,
        joins,
        limits,
    })
}

/// The line in which a chain of operators or of set operations and joins becomes too long. What is no SQL has none: the parser
/// tells of it.
fn too_long_a_chain(sql: &str) -> Option<usize> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    // A level a bracket: its operators since the last comma or branch, and its set operations and joins.
    let mut levels = vec![(0_usize, 0_usize)];
    for token in tokens.ok()? {
        match &token.token {
            Token::LParen => levels.push((0, 0)),
            Token::RParen if levels.len() > 1 => {
                levels.pop();
            }
            _ => {}
        }
        let (operators, sets) = levels.last_mut()?;
        match &token.token {
            Token::Comma => *operators = 0,
            Token::Word(word) => match word.keyword {
                Keyword::WHEN | Keyword::THEN | Keyword::ELSE => *operators = 0,
                Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::IS => *operators += 1,
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::JOIN => *sets += 1,
                _ => {}
            },
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => *operators += 1,
            Token::StringConcat | Token::DoubleColon | Token::LBracket => *operators += 1,
            Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => {
                *operators += 1;
            }
            _ => {}
        }
        if *operators > MOST_CHAINED || *sets > MOST_CHAINED {
            return usize::try_from(token.span.start.line).ok();
        }
    }
    None
}

#[derive(Default)]
struct Shape {
    joins: bool,
    limits: bool,
}

impl Visitor for Shape {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.limits |= query.limit_clause.is_some() || query.fetch.is_some();
        if let SetExpr::Select(select) = query.body.as_ref() {
            self.joins |=
                select.from.len() > 1 || select.from.iter().any(|from| !from.joins.is_empty());
        }
        ControlFlow::Continue(())
    }
}

/// The innermost message of an engine error, without the layers around it.
pub(super) fn root_message(error: &datafusion::error::DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let mut text = text.as_str();
    for prefix in [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "type_coercion\ncaused by\n",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let text = text
        .strip_prefix("ParserError(\"")
        .and_then(|t| t.strip_suffix("\")"))
        .unwrap_or(text);
    text.trim_end_matches('.').to_owned()
}

/// "… at Line: 3, Column: 5" as a place.
fn place_in(message: &str) -> At {
    let number_after = |marker: &str| {
        let digits: String = message
            .split_once(marker)?
            .1
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse::<usize>().ok()
    };
    match (number_after("Line:"), number_after("Column:")) {
        (Some(line), Some(column)) => At { line, column },
        _ => At { line: 1, column: 1 },
    }
}

fn without_place(message: &str) -> &str {
    message
        .split_once(" at Line:")
        .map_or(message, |(before, _)| before)
}

/// Where `word` first stands in the file as a whole word; the first line where it does not.
pub(super) fn find_word(file: &SourceText, word: &str) -> At {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
    for (index, line) in file.text.lines().enumerate() {
        let code = line.split_once("--").map_or(line, |(code, _)| code);
        let lower = code.to_lowercase();
        for (offset, _) in lower.match_indices(&word.to_lowercase()) {
            let before = lower
                .get(..offset)
                .and_then(|text| text.chars().next_back());
            let after = lower
                .get(offset + word.len()..)
                .and_then(|text| text.chars().next());
            if !is_part(before) && !is_part(after) {
                let column = lower
                    .get(..offset)
                    .map_or(1, |text| text.chars().count() + 1);
                return At {
                    line: index + 1,
                    column,
                };
            }
        }
    }
    At { line: 1, column: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(sql: String) -> Option<String> {
        let file = Arc::new(SourceText {
            path: "a.sql".into(),
            text: sql,
        });
        parse(&file).err().map(|problem| problem.to_string())
    }

    #[test]
    fn what_would_overflow_the_stack_is_refused() {
        let refused = "a.sql:1: the query chains more than 500 operators, joins or unions";
        for part in [
            " + 1", " or true", "::bigint", " is null", " || 'a'", " = 1",
        ] {
            let chain = |times| format!("select 1{}", part.repeat(times));
            assert_eq!(fault(chain(500)), None, "{part}");
            assert_eq!(fault(chain(501)).as_deref(), Some(refused), "{part}");
            assert_eq!(fault(chain(100_000)).as_deref(), Some(refused), "{part}");
            // A bracket behind the chain is no way out of it.
            let split = format!("select 1{0} + (1, 2){0}", part.repeat(300));
            assert_eq!(fault(split).as_deref(), Some(refused), "{part}");
        }
        let unions = format!("select 1{}", " union all select 1, 2".repeat(100_000));
        assert_eq!(fault(unions).as_deref(), Some(refused));
    }

    #[test]
    fn many_short_expressions_are_no_chain() {
        let branches = " when a = 1 and b = 2 then 'c'".repeat(2_000);
        assert_eq!(fault(format!("select case{branches} end from t")), None);
        let columns: Vec<String> = (0..2_000).map(|n| format!("a + {n} as c{n}")).collect();
        assert_eq!(fault(format!("select {} from t", columns.join(", "))), None);
    }
}
