//! The proof against brute force, and what is told of faults.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::axis::{Axis, Column};
use super::condition::{Reading, Test};
use super::proof::{Finding, MOST_CELLS, prove};
use super::rules::Rules;
use crate::plan::ParameterValue;
use crate::spec::problem::SourceText;
use crate::spec::scheme::{Condition, SchemeFile};
use crate::spec::table::TableFile;
use crate::spec::yaml::decode;

const CONTRACT: &str = "
table: int_customers_featured
description: What schemes look at.
grain: one row a customer and day
key: [customer_id, as_of_date]
columns:
  customer_id: { type: varchar, required: true, description: Who. }
  as_of_date: { type: date, required: true, description: When. }
  orders: { type: bigint, required: true, minimum: 0, description: Whole and bounded. }
  days: { type: bigint, description: Whole and nullable. }
  value: { type: 'decimal(18,4)', description: Decimal and nullable. }
  share: { type: double, minimum: 0, maximum: 1, description: Real and bounded. }
  gap: { type: double, required: true, description: Real. }
  known: { type: boolean, description: Boolean and nullable. }
  channel: { type: varchar, description: Text and nullable. }
  since: { type: date, required: true, description: A day. }
  seen_at: { type: timestamp, required: true, description: An instant. }
  price: { type: 'decimal(18,4)', required: true, minimum: 0.5, maximum: 2.25, description: Decimal and bounded. }
  rate: { type: double, required: true, minimum: 0.5, maximum: 1.5, description: Real and bounded. }
  joined: { type: date, required: true, minimum: 2024-01-01, maximum: 2024-01-31, description: A day of a month. }
";

fn file(text: &str) -> Arc<SourceText> {
    Arc::new(SourceText {
        path: "sql/schemes/s.yml".into(),
        text: text.into(),
    })
}

fn contract() -> TableFile {
    decode(&file(CONTRACT), &|_| None).unwrap()
}

fn parameters() -> BTreeMap<String, ParameterValue> {
    [
        ("three", ParameterValue::Bigint(3)),
        ("half", ParameterValue::Double(0.5)),
        ("web", ParameterValue::Varchar("web".into())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The proof of rules written as the entries of `rules:`, one a line; the rules begin in line 5.
fn outcome(rules: &str) -> Result<usize, Vec<String>> {
    let lines: String = rules
        .lines()
        .map(|rule| format!("  - {}\n", rule.trim()))
        .collect();
    let text = format!("scheme: s\ndescription: A test.\ninput: i\nrules:\n{lines}");
    let file = file(&text);
    let scheme: SchemeFile = decode(&file, &|_| None).unwrap();
    let told = |problems: Vec<crate::spec::Problem>| -> Vec<String> {
        let lines = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.at.line, problem.message));
        lines.collect()
    };
    let rules = Rules::read(
        &file,
        &scheme.rules.unwrap().value,
        &contract(),
        &parameters(),
    );
    rules
        .map_err(told)?
        .prove(&file, &scheme.scheme)
        .map_err(told)
}

#[test]
fn a_table_of_rules_without_gap_or_overlap_is_proven() {
    // orders: 0, 1, 2, more; days: null, up to 183, beyond, which are of interest to some orders alone.
    let cells = outcome(
        "{ segment: prospect, when: { orders: 0 } }
         { segment: one_time, when: { orders: 1, days: '<= 183' } }
         { segment: few, when: { orders: 2, days: '<= 183' } }
         { segment: many, when: { orders: '>= $three', days: '<= 183' } }
         { segment: lapsed, when: { orders: '> 0', days: ['> 183', null] } }",
    );
    assert_eq!(cells, Ok(4 * 3));
}

#[test]
fn limits_of_contracts_bound_what_rules_must_hold_for() {
    for rules in [
        "{ segment: a, when: { price: '0.5..1' } }\n{ segment: b, when: { price: '1.0001..2.25' } }",
        "{ segment: a, when: { rate: '>= 0.5' } }",
        "{ segment: a, when: { joined: '<= 2024-01-15' } }\n{ segment: b, when: { joined: '> 2024-01-15' } }",
    ] {
        assert!(outcome(rules).is_ok(), "{rules}: {:?}", outcome(rules));
    }
    assert_eq!(
        outcome("{ segment: a, when: { price: '> 0.5' } }"),
        Err(vec!["1: no rule of `s` holds for price = 0.5".to_owned()])
    );
    assert_eq!(
        outcome("{ segment: a, when: { joined: '< 2024-01-31' } }"),
        Err(vec![
            "1: no rule of `s` holds for joined = 2024-01-31".to_owned()
        ])
    );
}

#[test]
fn a_rule_without_conditions_holds_for_everybody() {
    assert_eq!(outcome("{ segment: all }"), Ok(1));
}

#[test]
fn what_no_rule_holds_for_is_told_by_an_example_of_few_columns() {
    let gaps = |rules| outcome(rules).unwrap_err();
    let none =
        "{ segment: a, when: { orders: 0 } }\n{ segment: b, when: { orders: '>= 2', known: true } }
         { segment: c, when: { orders: '>= 2', known: false } }";
    assert_eq!(
        gaps(none),
        [
            "1: no rule of `s` holds for orders = 1",
            "1: no rule of `s` holds for orders = 2, known is null",
        ]
    );
    assert_eq!(
        gaps(
            "{ segment: a, when: { value: '<= 0' } }\n{ segment: b, when: { value: '>= 0.0002' } }"
        ),
        [
            "1: no rule of `s` holds for value = 0.0001",
            "1: no rule of `s` holds for value is null",
        ]
    );
    assert_eq!(
        gaps(
            "{ segment: a, when: { share: '< $half' } }\n{ segment: b, when: { share: '> $half' } }"
        ),
        [
            "1: no rule of `s` holds for share = 0.5",
            "1: no rule of `s` holds for share is null",
        ]
    );
    assert_eq!(
        gaps(
            "{ segment: a, when: { since: '< 2024-02-29' } }\n{ segment: b, when: { since: '> 2024-02-29' } }"
        ),
        ["1: no rule of `s` holds for since = 2024-02-29"]
    );
    assert_eq!(
        gaps("{ segment: a, when: { channel: [$web, app] } }"),
        [
            "1: no rule of `s` holds for channel is any other text",
            "1: no rule of `s` holds for channel is null",
        ]
    );
    assert_eq!(
        gaps("{ segment: a, when: { days: null } }"),
        ["1: no rule of `s` holds for days is not null"]
    );
}

#[test]
fn rules_that_overlap_are_told_with_their_lines_and_an_example() {
    let overlaps = outcome(
        "{ segment: a, when: { orders: '2..4', known: true } }
         { segment: b, when: { orders: '4..6', known: true } }
         { segment: c, when: { known: [false, null] } }
         { segment: d, when: { orders: ['< 2', '> 6'], known: true } }",
    );
    assert_eq!(
        overlaps,
        Err(vec![
            "6: the rules `a` (line 5) and `b` (line 6) both hold for orders = 4, known = true"
                .to_owned()
        ])
    );
    let both = outcome("{ segment: a }\n{ segment: a }");
    assert_eq!(
        both,
        Err(vec![
            "6: the rules `a` (line 5) and `a` (line 6) both hold for any customer".to_owned()
        ])
    );
}

#[test]
fn a_rule_that_never_holds_is_told() {
    let never = |condition: &str| {
        outcome(&format!(
            "{{ segment: a }}\n{{ segment: b, when: {{ {condition} }} }}"
        ))
    };
    for condition in [
        "orders: '< 0'",
        "orders: null",
        "orders: '4..2'",
        "share: '> 1'",
        "orders: []",
        "days: '> 9223372036854775807'",
    ] {
        let column = condition.split(':').next().unwrap();
        let told =
            format!("6: the rule `b` never holds: no possible `{column}` meets its condition");
        assert_eq!(never(condition), Err(vec![told]), "{condition}");
    }
}

#[test]
fn conditions_that_do_not_fit_their_column_are_all_told() {
    let told = outcome(
        "{ segment: a, when: { order: 1, orders: '< 2.5', days: yes, value: '0.00001' } }
         { segment: b, when: { share: web, known: 1, channel: 3, since: '2023-02-29' } }
         { segment: c, when: { orders: $treee, days: '> $half', since: '< $as_of', seen_at: 'not null' } }
         { segment: d, when: { orders: '=> 3', days: '9223372036854775808', value: '1..', gap: 'nan' } }",
    );
    assert_eq!(
        told.unwrap_err(),
        [
            "5: `int_customers_featured` has no column `order`",
            "5: `orders` is bigint, to which `2.5` is no condition",
            "5: `days` is bigint, to which `true` is no condition",
            "5: `value` is decimal(18,4), to which `0.00001` is no condition",
            "6: `share` is double, to which `web` is no condition",
            "6: `known` is boolean, to which `1` is no condition",
            "6: `channel` is varchar, to which `3` is no condition",
            "6: `since` is date, to which `2023-02-29` is no condition",
            "7: there is no parameter `$treee`",
            "7: `$half` is 0.5, which is no bigint as `days` is",
            "7: `$as_of` is known only when the pipeline runs",
            "7: `seen_at` is a timestamp, which rules cannot look at",
            "8: `orders` is bigint, to which `=> 3` is no condition",
            "8: `days` is bigint, to which `9223372036854775808` is no condition",
            "8: `value` is decimal(18,4), to which `` is no condition",
            "8: `gap` is double, to which `NaN` is no condition",
        ]
    );
}

#[test]
fn a_bound_may_be_a_sum_of_parameters_within_its_type() {
    let thirds = "{ segment: high, when: { gap: '< $half' } }
         { segment: middle, when: { gap: '>= $half and < $half + 0.25' } }
         { segment: low, when: { gap: '>= 0.25 + $half' } }";
    assert_eq!(outcome(thirds), Ok(3));
    // Told as decimals, 0.1 + 0.2 leaves nothing between itself and 0.3.
    let tenths = "{ segment: a, when: { gap: '< 0.1 + 0.2' } }
         { segment: b, when: { gap: '>= 0.3' } }
         { segment: never, when: { gap: '>= 0.3 and < -0.1 + 0.4' } }";
    assert_eq!(
        outcome(tenths),
        Err(vec![
            "7: the rule `never` never holds: no possible `gap` meets its condition".to_owned()
        ])
    );
    assert_eq!(
        outcome("{ segment: a, when: { days: '< 9223372036854775807 + $three' } }"),
        Err(vec![
            "5: `days` is bigint, to which `9223372036854775807 + $three` is no condition"
                .to_owned()
        ])
    );
}

#[test]
fn too_many_combinations_are_refused() {
    // Each of the rules has a bound of its own on each of four columns.
    let rules: Vec<String> = (0..40)
        .map(|n| {
            format!("{{ segment: a, when: {{ orders: {n}, days: {n}, value: {n}, gap: {n} }} }}")
        })
        .collect();
    let cells = 41 * 42 * 42 * 41_usize;
    assert!(cells > MOST_CELLS);
    assert_eq!(
        outcome(&rules.join("\n")),
        Err(vec![format!(
            "1: the rules of `s` make {cells} combinations of values, more than the 1000000 that are looked through"
        )])
    );
}

/// A value of a column, null where there is none.
#[derive(Debug, Clone, PartialEq)]
enum Held {
    Null,
    Number(f64),
    Boolean(bool),
    Text(&'static str),
}

/// What a condition says, by the letter of its documentation and not by the code under test.
fn meets(condition: &str, held: &Held) -> bool {
    let compare = |text: &str, test: fn(f64, f64) -> bool| matches!(held, Held::Number(value) if test(*value, text.parse().unwrap()));
    match condition {
        "null" => *held == Held::Null,
        "not null" => *held != Held::Null,
        "true" | "false" => *held == Held::Boolean(condition == "true"),
        text if text.starts_with('[') => {
            let inner = text.trim_matches(['[', ']']);
            inner.split(", ").any(|one| meets(one, held))
        }
        text if text.contains(" and ") => text.split(" and ").all(|part| meets(part, held)),
        text if text.starts_with("<= ") => compare(&text[3..], |a, b| a <= b),
        text if text.starts_with(">= ") => compare(&text[3..], |a, b| a >= b),
        text if text.starts_with("< ") => compare(&text[2..], |a, b| a < b),
        text if text.starts_with("> ") => compare(&text[2..], |a, b| a > b),
        text => match (text.split_once(".."), held) {
            (Some((low, high)), _) => compare(low, |a, b| a >= b) && compare(high, |a, b| a <= b),
            (None, Held::Text(value)) => *value == text,
            (None, _) => compare(text, |a, b| a == b),
        },
    }
}

/// The condition as the file's reader makes it.
fn condition(text: &str) -> Condition {
    let yaml = match text {
        _ if text.starts_with('[') => {
            let inner = text.trim_matches(['[', ']']);
            let quoted: Vec<String> = inner.split(", ").map(quote).collect();
            format!("[{}]", quoted.join(", "))
        }
        _ => quote(text),
    };
    decode(&file(&yaml), &|_| None).unwrap()
}

fn quote(text: &str) -> String {
    match text {
        "null" | "true" | "false" => text.to_owned(),
        text if text.parse::<f64>().is_ok() => text.to_owned(),
        text => format!("'{text}'"),
    }
}

/// The columns of the property and every value that can make a difference: bounds lie between 0 and 4.
fn spaces() -> [(&'static str, Vec<Held>); 5] {
    let whole = |range: std::ops::RangeInclusive<i32>| range.map(|n| Held::Number(n.into()));
    let with_null = |values: Vec<Held>| [vec![Held::Null], values].concat();
    let halves = (-2..=10).map(|n| Held::Number(f64::from(n) / 2.0));
    [
        ("orders", whole(0..=6).collect()),
        ("days", with_null(whole(-2..=6).collect())),
        ("gap", halves.collect()),
        (
            "known",
            with_null(vec![Held::Boolean(false), Held::Boolean(true)]),
        ),
        (
            "channel",
            with_null(vec![
                Held::Text("web"),
                Held::Text("app"),
                Held::Text("other"),
            ]),
        ),
    ]
}

fn number_condition() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        (0..5_i32).prop_map(|n| n.to_string()),
        (0..5_i32).prop_map(|n| format!("< {n}")),
        (0..5_i32).prop_map(|n| format!("<= {n}")),
        (0..5_i32).prop_map(|n| format!("> {n}")),
        (0..5_i32).prop_map(|n| format!(">= {n}")),
        ((0..5_i32), (0..5_i32)).prop_map(|(a, b)| format!("> {a} and <= {b}")),
        ((0..5_i32), (0..5_i32)).prop_map(|(a, b)| format!("{a}..{b}")),
        Just("null".to_owned()),
        Just("not null".to_owned()),
    ];
    prop_oneof![
        3 => one.clone(),
        1 => proptest::collection::vec(one, 2).prop_map(|list| format!("[{}]", list.join(", "))),
    ]
}

fn choice(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(of).prop_map(str::to_owned)
}

fn rule() -> impl Strategy<Value = [Option<String>; 5]> {
    let maybe = proptest::option::of::<BoxedStrategy<String>>;
    (
        maybe(number_condition().boxed()),
        maybe(number_condition().boxed()),
        maybe(number_condition().boxed()),
        maybe(choice(&["true", "false", "null", "not null"]).boxed()),
        maybe(
            choice(&[
                "web",
                "app",
                "[web, app]",
                "[web, null]",
                "null",
                "not null",
            ])
            .boxed(),
        ),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_proof_agrees_with_brute_force(rules in proptest::collection::vec(rule(), 1..5)) {
        let contract = contract();
        let parameters = parameters();
        let spaces = spaces();
        let columns: Vec<Column> = spaces
            .iter()
            .map(|(name, _)| Column::of(name, &contract.columns[*name].value))
            .collect();
        let tests: Vec<Vec<Option<Test>>> = columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let reading = Reading { column, parameters: &parameters };
                let of = |rule: &[Option<String>; 5]| {
                    rule[index].as_ref().map(|text| reading.test(&condition(text)).unwrap())
                };
                rules.iter().map(of).collect()
            })
            .collect();
        let axes: Vec<Axis> = columns
            .iter()
            .zip(&tests)
            .map(|(column, tests)| Axis::cut(column, &tests.iter().map(Option::as_ref).collect::<Vec<_>>()))
            .collect();
        let (_, findings) = prove(rules.len(), &axes, &|rule, axis| rules[rule][axis].is_some());

        let holds = |rule: &[Option<String>; 5], row: &[&Held]| {
            rule.iter().zip(row).all(|(text, held)| text.as_ref().is_none_or(|text| meets(text, held)))
        };
        let mut has_gap = false;
        let mut overlaps = std::collections::BTreeSet::new();
        for a in &spaces[0].1 {
            for b in &spaces[1].1 {
                for c in &spaces[2].1 {
                    for d in &spaces[3].1 {
                        for e in &spaces[4].1 {
                            let row = [a, b, c, d, e];
                            let held: Vec<usize> =
                                (0..rules.len()).filter(|rule| holds(&rules[*rule], &row)).collect();
                            has_gap |= held.is_empty();
                            for (index, first) in held.iter().enumerate() {
                                overlaps.extend(held[index + 1..].iter().map(|second| (*first, *second)));
                            }
                        }
                    }
                }
            }
        }
        let never: std::collections::BTreeSet<(usize, String)> = (0..rules.len())
            .flat_map(|rule| spaces.iter().enumerate().map(move |(axis, space)| (rule, axis, space)))
            .filter(|(rule, axis, (_, values))| {
                rules[*rule][*axis].as_ref().is_some_and(|text| !values.iter().any(|held| meets(text, held)))
            })
            .map(|(rule, _, (name, _))| (rule, (*name).to_owned()))
            .collect();

        let found_gap = findings.iter().any(|finding| matches!(finding, Finding::Gap { .. }));
        prop_assert_eq!(found_gap, has_gap);
        let pairs = findings.iter().filter_map(|finding| match finding {
            Finding::Overlap { first, second, .. } => Some((*first, *second)),
            _ => None,
        });
        prop_assert_eq!(pairs.collect::<std::collections::BTreeSet<_>>(), overlaps);
        let found_never = findings.iter().filter_map(|finding| match finding {
            Finding::Never { rule, column } => Some((*rule, column.clone())),
            _ => None,
        });
        prop_assert_eq!(found_never.collect::<std::collections::BTreeSet<_>>(), never);
    }
}
