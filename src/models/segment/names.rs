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
/// tenths of the most) by the one that is named first, so that features which go together do not take turns. Clusters
/// that stand out in the same feature to the same side are told apart by how far: `very_high_orders`, `high_orders`,
/// `fairly_high_orders`, and by number where they are more than three. A cluster that stands out in nothing is `average`.
///
/// Names are unique and depend on the centres alone, not on their order, and not on one another beyond what is said
/// above: when centres move a little, names stay, unless one crosses a line. Nothing is remembered of earlier names.
#[must_use]
pub fn names(features: &[&str], centres: &[&[f64]]) -> Vec<String> {
    let mut alike: BTreeMap<Option<(usize, bool)>, Vec<usize>> = BTreeMap::new();
    for (cluster, centre) in centres.iter().enumerate() {
        alike.entry(outstanding(centre)).or_default().push(cluster);
    }
    let mut names = vec![String::new(); centres.len()];
    for (trait_of, mut clusters) in alike {
        let far = |cluster: &usize| {
            trait_of.map_or(0.0, |(feature, _)| -centres[*cluster][feature].abs())
        };
        clusters.sort_by(|a, b| {
            let order = far(a).total_cmp(&far(b));
            order.then_with(|| compare(centres[*a], centres[*b]))
        });
        let word = match trait_of {
            None => "average".to_owned(),
            Some((feature, is_high)) => {
                let side = if is_high { "high" } else { "low" };
                format!("{side}_{}", features.get(feature).unwrap_or(&"feature"))
            }
        };
        let count = clusters.len();
        for (place, cluster) in clusters.into_iter().enumerate() {
            names[cluster] = match (count, place) {
                (1, _) => word.clone(),
                (2 | 3, 0) if trait_of.is_some() => format!("very_{word}"),
                (2 | 3, 1) if trait_of.is_some() => word.clone(),
                (3, 2) if trait_of.is_some() => format!("fairly_{word}"),
                _ => format!("{word}_{}", place + 1),
            };
        }
    }
    names
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
