//! k-means: centres with the least sum of squared distances of the rows to the nearest of them.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::{KMeans as LinfaKMeans, KMeansInit};
use ndarray::{Array2, ArrayView2};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;

use super::points::compare;
use super::silhouette::{silhouette, squared_distance};
use super::{Points, SegmentError};
use crate::chunks::ordered_fold;

/// The most clusters there may be: more have no names that anybody remembers.
const CLUSTERS_MAX: usize = 100;
/// A start ends when an iteration moves the centres by less than this, in deviations: enough to tell most starts apart.
const ROUGH: f64 = 1e-3;
/// The best starts go on until this, and with it the sum of squares is exact to about its square.
const FINE: f64 = 1e-9;
/// How many go on: several, as starts that are on their way to different minima may be close together.
const FINALISTS: usize = 6;

/// How clusters are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KMeansParams {
    /// How many, from 1 to 100.
    pub clusters: usize,
    /// How many starts are tried, from 1 to 1000; the best is taken.
    pub starts: u64,
    /// Where the numbers that choose the starts begin.
    pub seed: u64,
    /// When to give up, from 1 to 100,000.
    pub max_iterations: u64,
}

/// Parameters that make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidKMeansParams(KMeansParams);

impl KMeansParams {
    /// These parameters if all make sense.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(self) -> Result<ValidKMeansParams, SegmentError> {
        for (name, value, most) in [
            ("clusters", self.clusters as u64, CLUSTERS_MAX as u64),
            ("starts", self.starts, 1000),
            ("max_iterations", self.max_iterations, 100_000),
        ] {
            if value < 1 || value > most {
                return Err(SegmentError::Parameter {
                    name,
                    value,
                    least: 1,
                    most,
                });
            }
        }
        Ok(ValidKMeansParams(self))
    }
}

impl ValidKMeansParams {
    /// The best clusters of all starts: each is k-means++ (Arthur & Vassilvitskii 2007, "k-means++: the advantages of
    /// careful seeding") and Lloyd's iterations (Lloyd 1982, "Least squares quantization in PCM"), both by `linfa`,
    /// with `seed` + the number of the start for a seed. They run in the calling pool; of equal ones the first is taken.
    /// The minimum is a local one, as is everybody's.
    ///
    /// # Errors
    /// Where there are fewer different rows than clusters, or every start leaves a cluster empty.
    pub fn fit(&self, points: &Points) -> Result<KMeans, SegmentError> {
        let params = self.0;
        let clusters = params.clusters;
        let distinct = points.distinct();
        if distinct < clusters {
            return Err(SegmentError::TooFewDistinct { clusters, distinct });
        }
        let lloyd = Lloyd::new(points, params.max_iterations)?;
        let tried: Vec<Option<KMeans>> = (0..params.starts)
            .into_par_iter()
            .map(|start| {
                let seed = params.seed.wrapping_add(start);
                lloyd.run(clusters, KMeansInit::KMeansPlusPlus, seed, ROUGH)
            })
            .collect();
        let mut finalists: Vec<KMeans> = tried
            .into_iter()
            .flatten()
            .filter(KMeans::is_whole)
            .collect();
        // Stable, so that of equal ones the first start is first.
        finalists.sort_by(|a, b| a.inertia.total_cmp(&b.inertia));
        finalists.truncate(FINALISTS);
        let fine: Vec<Option<KMeans>> = finalists
            .into_par_iter()
            .map(|rough| {
                let shape = (clusters, points.dimensions());
                let centres = Array2::from_shape_vec(shape, rough.centres).ok()?;
                lloyd.run(
                    clusters,
                    KMeansInit::Precomputed(centres),
                    params.seed,
                    FINE,
                )
            })
            .collect();
        let fine = fine.into_iter().flatten().filter(KMeans::is_whole);
        fine.min_by(|a, b| a.inertia.total_cmp(&b.inertia))
            .ok_or(SegmentError::EmptyCluster { clusters })
    }
}

/// `linfa` at work on the same rows again and again.
struct Lloyd<'a> {
    points: &'a Points,
    data: DatasetBase<ArrayView2<'a, f64>, ndarray::Array1<()>>,
    max_iterations: u64,
}

impl<'a> Lloyd<'a> {
    fn new(points: &'a Points, max_iterations: u64) -> Result<Self, SegmentError> {
        let shape = (points.len(), points.dimensions());
        let rows = ArrayView2::from_shape(shape, points.values());
        let rows = rows.map_err(|_| SegmentError::Shape {
            values: points.values().len(),
            dimensions: points.dimensions(),
        })?;
        Ok(Self {
            points,
            data: DatasetBase::from(rows),
            max_iterations,
        })
    }

    fn run(
        &self,
        clusters: usize,
        init: KMeansInit<f64>,
        seed: u64,
        tolerance: f64,
    ) -> Option<KMeans> {
        let numbers = Xoshiro256Plus::seed_from_u64(seed);
        let fitted = LinfaKMeans::params_with_rng(clusters, numbers)
            .n_runs(1)
            .max_n_iterations(self.max_iterations)
            .tolerance(tolerance)
            .init_method(init)
            .fit(&self.data)
            .ok()?;
        let centres = fitted.centroids().iter().copied().collect();
        Some(KMeans::means_of_nearest(self.points, centres))
    }
}

/// Clusters by their centres, sorted by the first coordinate, then by the second, and so on.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    dimensions: usize,
    centres: Vec<f64>,
    sizes: Vec<u64>,
    inertia: f64,
    converged: bool,
}

/// Moves of a centre within rounding and the iterations' own tolerance.
const STILL: f64 = 1e-6;

impl KMeans {
    /// Clusters whose centres are known, one after the other.
    ///
    /// # Errors
    /// As [`Points::new`].
    pub fn with_centres(dimensions: usize, centres: Vec<f64>) -> Result<Self, SegmentError> {
        let points = Points::new(dimensions, centres)?;
        Ok(Self {
            dimensions,
            sizes: vec![0; points.len()],
            centres: points.values().to_vec(),
            inertia: 0.0,
            converged: true,
        })
    }

    /// One more iteration from `centres`, with sums that are taken in the order of the rows.
    fn means_of_nearest(points: &Points, centres: Vec<f64>) -> Self {
        let dimensions = points.dimensions();
        let mut model = Self {
            dimensions,
            sizes: vec![0; centres.len() / dimensions],
            centres,
            inertia: 0.0,
            converged: true,
        };
        let tally = model.tally(points);
        let mut moved = 0.0_f64;
        for (cluster, size) in tally
            .sizes
            .iter()
            .enumerate()
            .filter(|(_, size)| **size > 0)
        {
            for i in cluster * dimensions..(cluster + 1) * dimensions {
                let mean = tally.sums[i] / *size as f64;
                moved = moved.max((mean - model.centres[i]).abs());
                model.centres[i] = mean;
            }
        }
        let mut rows: Vec<&[f64]> = model.centres.chunks_exact(dimensions).collect();
        rows.sort_unstable_by(|a, b| compare(a, b));
        model.centres = rows.concat();
        let tally = model.tally(points);
        model.sizes = tally.sizes;
        model.inertia = tally.inertia;
        model.converged = moved <= STILL;
        model
    }

    fn tally(&self, points: &Points) -> Tally {
        let zero = || Tally::zero(self.sizes.len(), self.centres.len());
        ordered_fold(
            points.len(),
            zero(),
            |rows| {
                let mut tally = zero();
                for row in rows {
                    tally.add(points.row(row), self.nearest_squared(points.row(row)));
                }
                tally
            },
            Tally::plus,
        )
    }

    /// Values a centre.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The centres in order.
    pub fn centres(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.centres.chunks_exact(self.dimensions)
    }

    /// How many rows of the fit lie in each cluster.
    #[must_use]
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The sum over the rows of the fit of the squared distance to the nearest centre.
    #[must_use]
    pub fn inertia(&self) -> f64 {
        self.inertia
    }

    /// Whether each centre is the mean of the rows that are nearest to it.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// Whether every cluster has a row.
    fn is_whole(&self) -> bool {
        self.sizes.iter().all(|size| *size > 0)
    }

    /// The position of the centre nearest to a row of as many values, the first of several, and the distance to it.
    #[must_use]
    pub fn nearest(&self, row: &[f64]) -> (usize, f64) {
        let (cluster, squared) = self.nearest_squared(row);
        (cluster, squared.sqrt())
    }

    /// The cluster of each row.
    #[must_use]
    pub fn labels(&self, points: &Points) -> Vec<usize> {
        let rows = (0..points.len()).into_par_iter();
        rows.map(|row| self.nearest_squared(points.row(row)).0)
            .collect()
    }

    fn nearest_squared(&self, row: &[f64]) -> (usize, f64) {
        let mut nearest = (0, f64::INFINITY);
        for (cluster, centre) in self.centres().enumerate() {
            let squared = squared_distance(row, centre);
            if squared < nearest.1 {
                nearest = (cluster, squared);
            }
        }
        nearest
    }
}

/// Sums over the rows of each cluster.
struct Tally {
    sizes: Vec<u64>,
    sums: Vec<f64>,
    inertia: f64,
}

impl Tally {
    fn zero(clusters: usize, values: usize) -> Self {
        Self {
            sizes: vec![0; clusters],
            sums: vec![0.0; values],
            inertia: 0.0,
        }
    }

    fn add(&mut self, row: &[f64], (cluster, squared): (usize, f64)) {
        self.sizes[cluster] += 1;
        self.inertia += squared;
        let sums = &mut self.sums[cluster * row.len()..];
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }

    fn plus(mut self, other: Self) -> Self {
        for (size, more) in self.sizes.iter_mut().zip(other.sizes) {
            *size += more;
        }
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum += more;
        }
        self.inertia += other.inertia;
        self
    }
}

/// What so many clusters came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Their number.
    pub clusters: usize,
    /// The sum of squared distances.
    pub inertia: f64,
    /// The mean silhouette.
    pub silhouette: f64,
}

/// Clusters of `points` for each of `numbers`, in their order; the one with the largest silhouette, the first of equal
/// ones, is the number to take. `params.clusters` is not looked at. Numbers above that of the different rows are left out.
///
/// # Errors
/// As [`KMeansParams::check`] and [`ValidKMeansParams::fit`].
pub fn choose_clusters(
    params: KMeansParams,
    numbers: impl IntoIterator<Item = usize>,
    points: &Points,
) -> Result<Vec<Candidate>, SegmentError> {
    let distinct = points.distinct();
    let mut candidates = Vec::new();
    for clusters in numbers {
        if clusters > distinct {
            continue;
        }
        let fitted = KMeansParams { clusters, ..params }.check()?.fit(points)?;
        if let Some(silhouette) = silhouette(points, &fitted.labels(points), clusters)? {
            candidates.push(Candidate {
                clusters,
                inertia: fitted.inertia(),
                silhouette,
            });
        }
    }
    Ok(candidates)
}
