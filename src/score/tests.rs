use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::*;
use crate::spec::Spanned;
use crate::spec::pipeline::{Scalar, Score};
use crate::spec::problem::SourceText;

fn value() -> ValueSettings {
    ValueSettings {
        horizon_days: 365,
        annual_discount_rate: 0.1,
        validation: None,
    }
}

#[test]
fn every_scorer_has_a_name_of_its_own_and_an_example_that_works() {
    let names: BTreeSet<_> = SCORERS.iter().map(|scorer| scorer.name()).collect();
    assert_eq!(names.len(), SCORERS.len());
    for scorer in SCORERS {
        assert!(scorer.description().ends_with('.'), "{}", scorer.name());
        let text = scorer.example().to_owned();
        let file = std::sync::Arc::new(SourceText {
            path: "example".into(),
            text,
        });
        let scores: IndexMap<String, Spanned<Score>> =
            crate::spec::yaml::decode(&file, &|_| None).unwrap();
        let (_, score) = scores.first().unwrap();
        assert_eq!(score.value.scorer.value, scorer.name());
        let built = scorer.build(&mut Parameters::new(&score.value.parameters), &value());
        assert!(built.is_ok(), "{}: {:?}", scorer.name(), built.err());
    }
}

#[test]
fn unknown_parameters_and_choices_are_told_together() {
    let given = IndexMap::from([
        (
            "model".to_owned(),
            Spanned::unplaced(Scalar::Text("bgnbd".into())),
        ),
        (
            "tme_unit".to_owned(),
            Spanned::unplaced(Scalar::Text("day".into())),
        ),
    ]);
    let errors = SCORERS[0]
        .build(&mut Parameters::new(&given), &value())
        .err()
        .unwrap();
    let told: Vec<_> = errors
        .iter()
        .map(|e| format!("{} — {}", e.message, e.help))
        .collect();
    assert_eq!(
        told,
        [
            "`bgnbd` is no model — did you mean `bg_nbd`?",
            "the scorer has no parameter `tme_unit` — did you mean `time_unit`?",
        ]
    );
}
