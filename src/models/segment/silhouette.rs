//! How well rows lie in their clusters.

use super::{Points, SegmentError};
use crate::chunks::ordered_fold_by;

/// Rows a task: each costs as much as there are rows.
const CHUNK_ROWS: usize = 64;

/// The mean silhouette of the rows, in [−1, 1]: Rousseeuw 1987, "Silhouettes: a graphical aid to the interpretation and
/// validation of cluster analysis". Exact, of all pairs, and so for samples: the effort grows with the square of the rows.
///
/// With a the mean distance of a row to the others of its cluster and b that to the rows of the nearest other cluster,
/// its silhouette is (b − a) / max(a, b); it is 0 where the row is alone in its cluster, or both are 0. `labels` gives
/// each row's cluster, from 0 to `clusters` − 1, in the order of [`Points::rows`].
///
/// # Errors
/// Where the labels are not one of the clusters for each row. `None` where fewer than two clusters have a row.
pub fn silhouette(
    points: &Points,
    labels: &[usize],
    clusters: usize,
) -> Result<Option<f64>, SegmentError> {
    if labels.len() != points.len() || labels.iter().any(|label| *label >= clusters) {
        return Err(SegmentError::Labels {
            clusters,
            rows: points.len(),
        });
    }
    let mut sizes = vec![0_u64; clusters];
    for label in labels {
        sizes[*label] += 1;
    }
    if sizes.iter().filter(|size| **size > 0).count() < 2 {
        return Ok(None);
    }
    let of_row = |row: usize| {
        let mut distances = vec![0.0; clusters];
        let own = points.row(row);
        for (other, label) in points.rows().zip(labels) {
            distances[*label] += squared_distance(own, other).sqrt();
        }
        let label = labels[row];
        if sizes[label] < 2 {
            return 0.0;
        }
        let a = distances[label] / (sizes[label] - 1) as f64;
        let b = (0..clusters)
            .filter(|cluster| *cluster != label && sizes[*cluster] > 0)
            .map(|cluster| distances[cluster] / sizes[cluster] as f64)
            .fold(f64::INFINITY, f64::min);
        let larger = a.max(b);
        if larger > 0.0 { (b - a) / larger } else { 0.0 }
    };
    let sum = ordered_fold_by(
        CHUNK_ROWS,
        points.len(),
        0.0,
        |rows| rows.map(of_row).sum::<f64>(),
        |sum, part| sum + part,
    );
    Ok(Some(sum / points.len() as f64))
}

pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| (a - b) * (a - b)).sum()
}
