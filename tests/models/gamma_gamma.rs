use cvm_models::fit::Fit;
use cvm_models::spend::gamma_gamma::{GammaGamma, GammaGammaParams};
use cvm_models::spend::{Spender, Spenders};

use crate::cdnow;

pub(crate) fn fit(spenders: &Spenders) -> Fit<GammaGamma> {
    GammaGammaParams::default()
        .check()
        .unwrap()
        .fit(spenders)
        .unwrap()
}

fn cdnow_fit() -> Option<(cdnow::Calibration, Fit<GammaGamma>)> {
    let table = cdnow::calibration(&cdnow::customers()?);
    let repeaters = table
        .frequency
        .iter()
        .zip(&table.mean_spend)
        .filter(|(x, spend)| **x > 0 && **spend > 0.0);
    let (purchases, spend): (Vec<u64>, Vec<f64>) = repeaters.unzip();
    let fit = fit(&Spenders::new(&purchases, &spend).unwrap());
    Some((table, fit))
}

#[test]
fn matches_fader_hardie_2013() {
    let Some((_, fit)) = cdnow_fit() else { return };
    assert_eq!(fit.customers, 946);
    let [p, q, v] = fit.model.parameters();
    assert_eq!(format!("{p:.2} {q:.2} {v:.2}"), "6.25 3.74 15.44");
    assert!((fit.log_likelihood - -4055.9177).abs() < 1e-3);
    assert!(fit.convergence.converged);
}

#[test]
fn matches_lifetimes_conditional_spend_of_the_first_customers() {
    let Some((table, fit)) = cdnow_fit() else {
        return;
    };
    let expected: Vec<String> = (0..10)
        .map(|i| match table.frequency[i] {
            0 => fit.model.mean_spend(),
            x => fit
                .model
                .expected_spend(&Spender::new(x, table.mean_spend[i]).unwrap()),
        })
        .map(|spend| format!("{:.2}", spend.unwrap()))
        .collect();
    let published = [
        "24.65", "18.91", "35.17", "35.17", "35.17", "71.46", "18.91", "35.17", "27.28", "35.17",
    ];
    assert_eq!(expected, published);
}
