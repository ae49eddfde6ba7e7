//! What clusters are called.

use std::collections::BTreeMap;

use super::points::compare;

/// A centre nearer to the mean of all customers than this in every feature is `average`. In deviations.
const AVERAGE: f64 = 0.25;
/// Features that stand out by at least this share of the one that stands out most are taken for equal.
const NEARLY: f64 = 0.9;

/// A name for each of `centres`, given in deviations from the mean of each of `features`, such as `high_orders`.
///
/// A cluster is called by the feature in which it stands out most; of several that stand out nearly as much (nine
/// tenths of the most) by the one that is named first, so that features which go together do not take turns. A cluster that
/// stands out in nothing is `average`. Clusters of one name are told apart by the feature in which they differ most: where
/// that is, nearly, the one that they are called by, by how far they stand out (`very_high_orders`, `high_orders`,
/// `fairly_high_orders`), else as in `high_orders_and_lower_discount_share`; by number where they are more than three.
///
/// Names depend on the centres alone, not on their order, and not on one another beyond what is said above: when centres
/// move a little, names stay, unless one crosses a line. Nothing is remembered of earlier names.
#[must_use]
pub fn names(features: &[&str], centres: &[&[f64]]) -> Vec<String> {
    let mut alike: BTreeMap<Option<(usize, bool)>, Vec<usize>> = BTreeMap::new();
    for (cluster, centre) in centres.iter().enumerate() {
        alike.entry(outstanding(centre)).or_default().push(cluster);
    }
    let feature_name = |feature: usize| features.get(feature).copied().unwrap_or("feature");
    let mut names = vec![String::new(); centres.len()];
    for (called_by, mut clusters) in alike {
        let word = match called_by {
            None => "average".to_owned(),
            Some((feature, true)) => format!("high_{}", feature_name(feature)),
            Some((feature, false)) => format!("low_{}", feature_name(feature)),
        };
        let differ_in = widest(centres, &clusters, called_by.map(|(feature, _)| feature));
        let is_own = called_by.is_some_and(|(feature, _)| feature == differ_in);
        // The outermost first; where another feature decides, the highest.
        let key = |cluster: &usize| {
            let z = centres[*cluster].get(differ_in).copied().unwrap_or(0.0);
            if is_own { -z.abs() } else { -z }
        };
        clusters.sort_by(|a, b| {
            let order = key(a).total_cmp(&key(b));
            order.then_with(|| compare(centres[*a], centres[*b]))
        });
        let count = clusters.len();
        for (place, cluster) in clusters.into_iter().enumerate() {
            names[cluster] = match (count, place, is_own) {
                (1, _, _) | (2 | 3, 1, true) => word.clone(),
                (2 | 3, 0, true) => format!("very_{word}"),
                (3, 2, true) => format!("fairly_{word}"),
                (2 | 3, _, false) => {
                    let side = match place {
                        0 => "higher",
                        1 if count == 3 => "middle",
                        _ => "lower",
                    };
                    format!("{word}_and_{side}_{}", feature_name(differ_in))
                }
                _ => format!("{word}_{}", place + 1),
            };
        }
    }
    names
}

/// The feature in which clusters differ most, `own` where they differ in it nearly as much, else the first of several.
fn widest(centres: &[&[f64]], clusters: &[usize], own: Option<usize>) -> usize {
    let range = |feature: usize| {
        let values = clusters.iter().filter_map(|c| centres[*c].get(feature));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), z| {
            (low.min(*z), high.max(*z))
        });
        high - low
    };
    let features = centres.first().map_or(0, |centre| centre.len());
    let most = (0..features).map(range).fold(0.0, f64::max);
    let nearly = |feature: &usize| range(*feature) >= NEARLY * most;
    own.filter(nearly)
        .or_else(|| (0..features).find(nearly))
        .unwrap_or(0)
}

/// The feature that a centre is called by, and whether it is high there.
fn outstanding(centre: &[f64]) -> Option<(usize, bool)> {
    let most = centre.iter().fold(0.0, |most: f64, z| most.max(z.abs()));
    if most < AVERAGE {
        return None;
    }
    let feature = centre.iter().position(|z| z.abs() >= NEARLY * most)?;
    Some((feature, centre[feature] > 0.0))
}
