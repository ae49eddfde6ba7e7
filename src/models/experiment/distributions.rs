//! Tail probabilities and quantiles from `statrs`, where it is accurate, and what to do where it is not.

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal, StudentsT};

/// From here on `statrs`' incomplete beta function loses digits, and Wallace's normal approximation has gained them.
const MANY_DEGREES: f64 = 1e5;

/// P(Z ≥ z) of the standard normal.
pub(super) fn normal_tail(z: f64) -> f64 {
    Normal::standard().sf(z)
}

/// The z beyond which the standard normal has `tail` ≤ ½.
pub(super) fn normal_quantile(tail: f64) -> f64 {
    -Normal::standard().inverse_cdf(tail)
}

/// P(T ≥ t), t ≥ 0, of Student's t with at least one degree of freedom, which need not be whole.
pub(super) fn student_tail(t: f64, degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) if degrees < MANY_DEGREES && t.is_finite() => student.sf(t),
        // Wallace (1959), "Bounds on normal approximations to Student's and the chi-square distributions".
        _ => normal_tail(
            (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0)
                * (degrees * (t * t / degrees).ln_1p()).sqrt(),
        ),
    }
}

/// The t beyond which Student's t has `tail` < ½.
///
/// By Newton's method, as `statrs`' own quantile is wrong in the third digit from about 10⁶ degrees of freedom and does
/// not end from 10⁹. The tail is convex and heavier than the normal's, so that from the normal quantile every step falls
/// short and none overshoots.
pub(super) fn student_quantile(tail: f64, degrees: f64) -> f64 {
    const MAX_STEPS: u32 = 200;
    let mut t = normal_quantile(tail);
    for _ in 0..MAX_STEPS {
        let density = StudentsT::new(0.0, 1.0, degrees).map_or(0.0, |student| student.pdf(t));
        let step = (student_tail(t, degrees) - tail) / density;
        if !(step.abs() > 1e-14 * t) {
            break;
        }
        t += step;
    }
    t
}

/// P(X ≥ x), x ≥ 0, of χ² with `degrees` degrees of freedom.
pub(super) fn chi_squared_tail(x: f64, degrees: f64) -> f64 {
    if !x.is_finite() {
        return 0.0;
    }
    ChiSquared::new(degrees).map_or(f64::NAN, |chi_squared| chi_squared.sf(x))
}
