//! Clusters against scikit-learn, and their names when customers move.

mod irises;

use cvm_models::segment::{
    KMeans, KMeansParams, Points, Scales, SegmentError, choose_clusters, names, signed_log,
    silhouette,
};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, Normal};

use crate::close;
use irises::IRISES;

const PARAMS: KMeansParams = KMeansParams {
    clusters: 3,
    starts: 200,
    seed: 1,
    max_iterations: 300,
};

/// Further than anybody is.
const WIDE: f64 = 1e9;

fn irises() -> Points {
    Points::new(4, IRISES.concat()).unwrap()
}

fn fit(clusters: usize, points: &Points) -> KMeans {
    KMeansParams { clusters, ..PARAMS }
        .check()
        .unwrap()
        .fit(points)
        .unwrap()
}

/// `KMeans(k, n_init=3000, tol=0)` and `silhouette_score` of scikit-learn 1.9.1, on the irises as they are and standardised by
/// `StandardScaler`.
#[test]
fn irises_match_scikit_learn() {
    let raw = irises();
    let standardised = Scales::of(&raw).standardised(&raw, WIDE);
    let expected = [
        (&raw, 2, 152.3479517603579, 0.6810461692117462),
        (&raw, 3, 78.851441426146, 0.5528190123564095),
        (&raw, 4, 57.22847321428572, 0.49805050499728737),
        (&raw, 5, 46.446182051282065, 0.4887488870931056),
        (&standardised, 2, 222.36170496502302, 0.5817500491982808),
        (&standardised, 3, 139.82049635974982, 0.45994823920518635),
        (&standardised, 4, 114.09223843568276, 0.383850922475103),
        (&standardised, 5, 90.80728315078541, 0.34194697093163473),
    ];
    for (points, clusters, inertia, mean_silhouette) in expected {
        let model = fit(clusters, points);
        assert!(model.converged());
        close(model.inertia(), inertia, 1e-10 * inertia);
        let found = silhouette(points, &model.labels(points), clusters).unwrap();
        close(found.unwrap(), mean_silhouette, 1e-12);
    }
}

/// The same three parts as scikit-learn 1.9.1: 38, 50 and 62 of them.
#[test]
fn the_partition_of_irises_is_that_of_scikit_learn() {
    let theirs = "111111111111111111111111111111111111111111111111110020000000000000000000000002000000000000000000\
                  000020222202222220022220202022002222202222022202220220";
    let model = fit(3, &irises());
    let ours: Vec<usize> = IRISES.iter().map(|row| model.nearest(row).0).collect();
    let first_of = |label: char| theirs.chars().position(|other| other == label).unwrap();
    for (row, label) in theirs.chars().enumerate() {
        assert_eq!(ours[row], ours[first_of(label)], "row {row}");
    }
    assert_eq!(model.sizes(), [50, 62, 38]);
    let expected = [
        [5.006, 3.428, 1.462, 0.246],
        [
            5.901612903225806,
            2.7483870967741937,
            4.393548387096774,
            1.4338709677419355,
        ],
        [
            6.85,
            3.0736842105263156,
            5.742105263157894,
            2.0710526315789473,
        ],
    ];
    for (centre, theirs) in model.centres().zip(expected) {
        for (ours, theirs) in centre.iter().zip(theirs) {
            close(*ours, theirs, 1e-12);
        }
    }
    let (cluster, distance) = model.nearest(&[6.85, 3.0736842105263156, 5.742105263157894, 1.0]);
    assert_eq!(cluster, 2);
    close(distance, 1.0710526315789473, 1e-12);
}

#[test]
fn two_clusters_have_the_largest_silhouette_of_irises() {
    let tried = choose_clusters(PARAMS, 2..=6, &irises()).unwrap();
    let best = tried
        .iter()
        .max_by(|a, b| a.silhouette.total_cmp(&b.silhouette));
    assert_eq!(best.unwrap().clusters, 2);
    assert_eq!(tried.len(), 5);
}

#[test]
fn neither_the_order_of_rows_nor_the_number_of_threads_changes_a_bit() {
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    let mut rows: Vec<[f64; 3]> = (0..30_000)
        .map(|i| {
            let shift = f64::from(i % 4);
            std::array::from_fn(|_| rng.random::<f64>() + shift)
        })
        .collect();
    let on = |threads: usize, rows: &[[f64; 3]]| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let raw = Points::new(3, rows.concat()).unwrap();
            let points = Scales::of(&raw).standardised(&raw, WIDE);
            let params = KMeansParams {
                clusters: 4,
                starts: 8,
                ..PARAMS
            };
            let model = params.check().unwrap().fit(&points).unwrap();
            let few = points.thinned(2000);
            (silhouette(&few, &model.labels(&few), 4).unwrap(), model)
        })
    };
    let first = on(1, &rows);
    for threads in [2, 5] {
        rows.shuffle(&mut rng);
        assert_eq!(on(threads, &rows), first);
    }
}

#[test]
fn scales_are_those_of_the_population() {
    let points = Points::new(3, vec![1.0, 5.0, 0.0, 2.0, 5.0, 0.0, 6.0, 5.0, -0.0]).unwrap();
    let scales = Scales::of(&points);
    close(scales.scales()[0].mean, 3.0, 1e-15);
    close(
        scales.scales()[0].deviation.unwrap(),
        (14.0_f64 / 3.0).sqrt(),
        1e-15,
    );
    assert_eq!(scales.scales()[1].deviation, None);
    assert_eq!(scales.scales()[1].standardised(9.0, WIDE), 0.0);
    assert_eq!(scales.scales()[0].standardised(3000.0, 4.0), 4.0);
    assert_eq!(scales.scales()[0].standardised(-3000.0, 4.0), -4.0);
    assert_eq!(scales.varying(), [0]);
    assert_eq!(scales.standardised(&points, WIDE).dimensions(), 1);
    close(signed_log(-(1.0_f64.exp()) + 1.0), -1.0, 1e-15);
    assert_eq!(signed_log(0.0), 0.0);
}

#[test]
fn what_has_no_clusters_says_why() {
    let alike = Points::new(2, vec![1.0; 20]).unwrap();
    let params = KMeansParams {
        clusters: 2,
        ..PARAMS
    };
    assert_eq!(
        params.check().unwrap().fit(&alike),
        Err(SegmentError::TooFewDistinct {
            clusters: 2,
            distinct: 1
        })
    );
    assert_eq!(choose_clusters(params, 2..=4, &alike), Ok(vec![]));
    assert_eq!(
        KMeansParams {
            starts: 0,
            ..params
        }
        .check()
        .unwrap_err()
        .to_string(),
        "starts must be from 1 to 1000, not 0"
    );
    assert_eq!(
        Points::new(2, vec![1.0, 2.0, f64::NAN, 0.0])
            .unwrap_err()
            .to_string(),
        "row 1, value 0: NaN is not finite and below 1e100 in magnitude"
    );
    assert_eq!(
        Points::new(2, vec![1.0]),
        Err(SegmentError::Shape {
            values: 1,
            dimensions: 2
        })
    );
    assert!(silhouette(&alike, &[0; 9], 1).is_err());
    assert_eq!(silhouette(&alike, &[0; 10], 1), Ok(None));
    // Rows that are as near to their own as to the others, and one that is alone.
    assert_eq!(
        silhouette(&alike, &[0, 0, 0, 0, 0, 1, 1, 1, 1, 2], 3),
        Ok(Some(0.0))
    );
    assert_eq!(fit(1, &alike).sizes(), [10]);
}

#[test]
fn as_many_clusters_as_rows_leave_nothing() {
    let points = Points::new(1, vec![0.0, 1.0, 10.0, 20.0]).unwrap();
    let model = fit(4, &points);
    assert_eq!((model.sizes(), model.inertia()), (&[1, 1, 1, 1][..], 0.0));
}

const FEATURES: [&str; 3] = ["days_since_last_order", "orders", "discount_share"];

fn named(centres: &[&[f64]]) -> Vec<String> {
    names(&FEATURES, centres)
}

#[test]
fn a_cluster_is_called_by_what_stands_out() {
    let centres: [&[f64]; 4] = [
        &[-0.9, 1.5, 0.1],
        &[1.4, -0.7, 0.0],
        &[0.1, -0.2, 0.1],
        &[0.1, -0.2, 2.5],
    ];
    let expected = [
        "high_orders",
        "high_days_since_last_order",
        "average",
        "high_discount_share",
    ];
    assert_eq!(named(&centres), expected);
    let reversed: Vec<&[f64]> = centres.iter().rev().copied().collect();
    let expected: Vec<_> = expected.into_iter().rev().collect();
    assert_eq!(named(&reversed), expected);
}

#[test]
fn what_stands_out_nearly_as_much_is_decided_by_the_order_of_features() {
    assert_eq!(named(&[&[1.4, -1.5, 0.0]]), ["high_days_since_last_order"]);
    assert_eq!(named(&[&[1.5, -1.4, 0.0]]), ["high_days_since_last_order"]);
    assert_eq!(named(&[&[1.0, -1.5, 0.0]]), ["low_orders"]);
}

#[test]
fn clusters_that_stand_out_alike_are_told_apart_by_how_far() {
    let centres: [&[f64]; 5] = [
        &[0.0, 0.9, 0.0],
        &[0.0, 2.9, 0.0],
        &[0.0, 1.9, 0.0],
        &[0.0, -1.0, 0.0],
        &[0.0, -2.0, 0.0],
    ];
    let expected = [
        "fairly_high_orders",
        "very_high_orders",
        "high_orders",
        "low_orders",
        "very_low_orders",
    ];
    assert_eq!(named(&centres), expected);
    let four: Vec<Vec<f64>> = (1..5).map(|i| vec![f64::from(i), 0.0, 0.0]).collect();
    let four: Vec<&[f64]> = four.iter().map(Vec::as_slice).collect();
    let word = "high_days_since_last_order";
    assert_eq!(
        named(&four),
        [4, 3, 2, 1].map(|place| format!("{word}_{place}"))
    );
}

#[test]
fn clusters_of_one_name_that_differ_more_in_another_feature_are_told_apart_by_it() {
    let pair: [&[f64]; 2] = [&[0.61, -0.66, 0.64], &[0.74, -0.66, -0.73]];
    let word = "high_days_since_last_order";
    assert_eq!(
        named(&pair),
        ["higher", "lower"].map(|side| format!("{word}_and_{side}_discount_share"))
    );
    let three: [&[f64]; 3] = [&[0.1, 0.9, 0.2], &[0.1, 0.9, -0.7], &[0.1, 1.0, 0.7]];
    assert_eq!(
        named(&three),
        ["middle", "lower", "higher"].map(|side| format!("high_orders_and_{side}_discount_share"))
    );
    assert_eq!(
        named(&[&[0.1, 0.0, 0.0], &[0.0, 0.1, 0.0]]),
        ["higher", "lower"].map(|side| format!("average_and_{side}_days_since_last_order"))
    );
    assert_eq!(named(&[&[0.0, 0.0, 0.0]]), ["average"]);
}

/// What a shop's customers are like: days since the last order, orders, value of an order, share of discounts.
const KINDS: [(f64, [(f64, f64); 4]); 4] = [
    (0.2, [(2.5, 0.6), (2.6, 0.4), (4.0, 0.4), (0.05, 0.03)]),
    (0.3, [(4.0, 0.5), (1.4, 0.3), (3.2, 0.4), (0.08, 0.04)]),
    (0.3, [(5.8, 0.4), (0.8, 0.2), (3.1, 0.5), (0.07, 0.04)]),
    (0.2, [(4.2, 0.5), (1.2, 0.3), (2.8, 0.4), (0.35, 0.08)]),
];

fn customer(rng: &mut ChaCha12Rng) -> [f64; 4] {
    let mut place: f64 = rng.random();
    let kind = KINDS.iter().find(|(share, _)| {
        place -= share;
        place < 0.0
    });
    let (_, features) = kind.unwrap_or(&KINDS[0]);
    features.map(|(mean, deviation)| Normal::new(mean, deviation).unwrap().sample(rng))
}

fn clusters_of(rows: &[[f64; 4]], seed: u64) -> (Vec<String>, Vec<usize>) {
    let raw = Points::new(4, rows.concat()).unwrap();
    let scales = Scales::of(&raw);
    let points = scales.standardised(&raw, WIDE);
    let params = KMeansParams {
        clusters: 4,
        starts: 10,
        seed,
        ..PARAMS
    };
    let model = params.check().unwrap().fit(&points).unwrap();
    let features = [
        "days_since_last_order",
        "orders",
        "order_value",
        "discount_share",
    ];
    let centres: Vec<&[f64]> = model.centres().collect();
    let labels = rows.iter().map(|row| {
        let scaled: Vec<f64> = scales
            .scales()
            .iter()
            .zip(row)
            .map(|(scale, value)| scale.standardised(*value, WIDE))
            .collect();
        model.nearest(&scaled).0
    });
    (names(&features, &centres), labels.collect())
}

/// Forty months in each of which one customer in twenty is replaced: by the end nine in ten are others.
#[test]
fn names_stay_when_customers_move() {
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    let mut rows: Vec<[f64; 4]> = (0..4000).map(|_| customer(&mut rng)).collect();
    let (names, mut labels) = clusters_of(&rows, 1);
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "high_days_since_last_order",
            "high_discount_share",
            "high_orders",
            "low_discount_share"
        ]
    );
    let mut before = names;
    for month in 2..42 {
        let mut moved = vec![false; rows.len()];
        for _ in 0..rows.len() / 20 {
            let row = rng.random_range(0..rows.len());
            rows[row] = customer(&mut rng);
            moved[row] = true;
        }
        // Another seed, too: names do not hang on the start that won.
        let (now, found) = clusters_of(&rows, month);
        let mut same = now.clone();
        same.sort();
        assert_eq!(same, sorted, "month {month}");
        let stayed = (0..rows.len()).filter(|row| !moved[*row]);
        let (mut kept, mut all) = (0_u32, 0_u32);
        for row in stayed {
            all += 1;
            kept += u32::from(before[labels[row]] == now[found[row]]);
        }
        assert!(
            f64::from(kept) > 0.99 * f64::from(all),
            "month {month}: {kept} of {all}"
        );
        (before, labels) = (now, found);
    }
}
