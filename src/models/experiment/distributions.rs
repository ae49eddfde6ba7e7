//! Tail probabilities and quantiles from `statrs`, where it is accurate, and what to do where it is not.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use special::Error as _;
use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, StudentsT};

use crate::uncertainty::Level;

/// From here on `statrs`' incomplete beta function loses digits, and Wallace's normal approximation has gained them.
const MANY_DEGREES: f64 = 1e5;

/// P(Z ≥ z) of the standard normal. (`statrs` has it to 1e-12 only.)
pub(super) fn normal_tail(z: f64) -> f64 {
    0.5 * (z * FRAC_1_SQRT_2).compl_error()
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

/// The t beyond which Student's t has the tail of `level`.
///
/// By Newton's method, as `statrs`' own quantile is wrong in the fifth digit at 10⁶ degrees of freedom, in the second at
/// 10⁷, and does not end at 10⁹. The tail is convex and heavier than the normal's, so that from the normal quantile every step falls
/// short and none overshoots.
pub(super) fn student_quantile(level: &Level, degrees: f64) -> f64 {
    const MAX_STEPS: u32 = 200;
    let mut t = level.z();
    for _ in 0..MAX_STEPS {
        let density = match StudentsT::new(0.0, 1.0, degrees) {
            Ok(student) if degrees < MANY_DEGREES => student.pdf(t),
            // The normal's, as lnΓ of so many degrees has no digits left for the difference; the root is the same.
            _ => (-0.5 * t * t).exp() / (2.0 * PI).sqrt(),
        };
        let step = (student_tail(t, degrees) - level.tail()) / density;
        t += step;
        if step.abs() <= 1e-14 * t {
            break;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Tails at 0.1, 1.96, 5.3 and 22.5 and the t of two-sided 50, 90, 95 and 99 % (scipy 1.17), to either side of where
    /// the approximation takes over.
    #[test]
    fn students_t_matches_scipy() {
        let cases: [(f64, [f64; 4], [f64; 4]); 7] = [
            (
                1.0,
                [
                    0.4682744825694465,
                    0.15017144588801656,
                    0.05936062444445953,
                    0.014137802110072754,
                ],
                [
                    1.0000000000000002,
                    6.313751514675037,
                    12.706204736174694,
                    63.656741162871526,
                ],
            ),
            (
                2.5,
                [
                    0.4639032720312449,
                    0.08147378223640703,
                    0.01023623284539961,
                    0.00029812434126333794,
                ],
                [
                    0.7850136829922992,
                    2.5582186141359355,
                    3.5746548420036817,
                    7.163728138948783,
                ],
            ),
            (
                30.0,
                [
                    0.4605048058951356,
                    0.029671156448025246,
                    4.99226004678772e-06,
                    1.2210699639909313e-20,
                ],
                [
                    0.6827556933212927,
                    1.697260886593957,
                    2.0422724563012378,
                    2.7499956535672254,
                ],
            ),
            (
                5841.742032093565,
                [
                    0.46017387845019553,
                    0.025021630098761048,
                    6.002526900521647e-08,
                    6.918145626385477e-108,
                ],
                [
                    0.6745317494031521,
                    1.6451145101402425,
                    1.9603701569544807,
                    2.5766711860350027,
                ],
            ),
            (
                99999.0,
                [
                    0.4601722629543654,
                    0.024999281611015497,
                    5.802368544683506e-08,
                    3.9401079148381437e-112,
                ],
                [
                    0.6744922035778262,
                    1.6448688649373502,
                    1.9599877077718442,
                    2.575878470400052,
                ],
            ),
            (
                100001.0,
                [
                    0.46017226295236086,
                    0.024999281583286417,
                    5.802368299782698e-08,
                    3.9400575654415844e-112,
                ],
                [
                    0.6744922035287586,
                    1.644868864632591,
                    1.9599877072973786,
                    2.5758784694167076,
                ],
            ),
            (
                1000000000.0,
                [
                    0.4601721627329941,
                    0.024997895286864812,
                    5.790135262337478e-08,
                    2.0754442979819631e-112,
                ],
                [
                    0.6744897504414163,
                    1.6448536284752415,
                    1.959963986912325,
                    2.5758293084654484,
                ],
            ),
        ];
        for (degrees, tails, quantiles) in cases {
            for (t, expected) in [0.1, 1.96, 5.3, 22.5].into_iter().zip(tails) {
                let tail = student_tail(t, degrees);
                // Wallace's error grows with the fourth power of t.
                let tolerance = if t > 6.0 { 1e-6 } else { 2e-9 };
                assert!(
                    (tail / expected - 1.0).abs() < tolerance,
                    "{degrees} {t}: {tail}, not {expected}"
                );
            }
            for (share, expected) in [0.5, 0.9, 0.95, 0.99].into_iter().zip(quantiles) {
                let t = student_quantile(&Level::new(share).unwrap(), degrees);
                assert!(
                    (t / expected - 1.0).abs() < 1e-9,
                    "{degrees} {share}: {t}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn tails_go_from_a_half_to_nothing() {
        for degrees in [1.0, 3.7, 1e4, 1e7, 1e15] {
            assert!((student_tail(0.0, degrees) - 0.5).abs() < 1e-15);
            assert!((0.0..1e-8).contains(&student_tail(1e12, degrees)));
            assert_eq!(student_tail(f64::INFINITY, degrees), 0.0);
        }
        for share in [1e-300, 1e-9, 0.5, 1.0 - 1e-15] {
            let level = Level::new(share).unwrap();
            for degrees in [1.0, 3.7, 1e4, 1e7, 1e15] {
                let t = student_quantile(&level, degrees);
                assert!(
                    t >= level.z() * (1.0 - 1e-9) && t.is_finite(),
                    "{share} {degrees}: {t}"
                );
            }
        }
        assert_eq!(chi_squared_tail(0.0, 2.0), 1.0);
        assert_eq!(chi_squared_tail(f64::INFINITY, 2.0), 0.0);
        assert!((chi_squared_tail(0.20253125, 2.0) - 0.9036929575604196).abs() < 1e-15);
    }
}
