//! The metrics of a small run.

use super::super::prometheus;
use super::{record, terminated};

const METRICS: &str = r#"# HELP cvm_run_success Whether the last run ended well, having published or having found nothing new.
# TYPE cvm_run_success gauge
cvm_run_success{pipeline="shop"} 1
# HELP cvm_run_exit_code The exit code of the last run: 0 ok, 1 internal, 2 configuration, 3 data quality, 4 concurrent run, 5 transient store failure, 6 terminated.
# TYPE cvm_run_exit_code gauge
cvm_run_exit_code{pipeline="shop"} 0
# HELP cvm_run_unchanged Whether the last run published nothing because nothing had changed.
# TYPE cvm_run_unchanged gauge
cvm_run_unchanged{pipeline="shop"} 0
# HELP cvm_run_duration_seconds How long the last run took.
# TYPE cvm_run_duration_seconds gauge
cvm_run_duration_seconds{pipeline="shop"} 12
# HELP cvm_run_completed_timestamp_seconds When the last run ended, well or not.
# TYPE cvm_run_completed_timestamp_seconds gauge
cvm_run_completed_timestamp_seconds{pipeline="shop"} 1735786812.5
# HELP cvm_run_as_of_timestamp_seconds The midnight, in UTC, of the day that is the exclusive end of what the last run saw.
# TYPE cvm_run_as_of_timestamp_seconds gauge
cvm_run_as_of_timestamp_seconds{pipeline="shop"} 1735689600
# HELP cvm_run_commit The number of the commit that readers see since the last run.
# TYPE cvm_run_commit gauge
cvm_run_commit{pipeline="shop"} 7
# HELP cvm_run_warnings What the last run found odd.
# TYPE cvm_run_warnings gauge
cvm_run_warnings{pipeline="shop"} 0
# HELP cvm_run_threads Partitions that worked at the same time.
# TYPE cvm_run_threads gauge
cvm_run_threads{pipeline="shop"} 2
# HELP cvm_peak_memory_bytes The most memory that the process of the last run held.
# TYPE cvm_peak_memory_bytes gauge
cvm_peak_memory_bytes{pipeline="shop"} 1024
# HELP cvm_source_rows_read Rows read of a raw table: kept and set aside.
# TYPE cvm_source_rows_read gauge
cvm_source_rows_read{pipeline="shop",source="shop.orders"} 10
# HELP cvm_source_rows_set_aside Rows of a raw table that did not fit their contract.
# TYPE cvm_source_rows_set_aside gauge
cvm_source_rows_set_aside{pipeline="shop",source="shop.orders"} 1
# HELP cvm_source_bytes Bytes read of a raw table, as they lie in the store.
# TYPE cvm_source_bytes gauge
cvm_source_bytes{pipeline="shop",source="shop.orders"} 100
# HELP cvm_source_objects Objects of a raw table.
# TYPE cvm_source_objects gauge
cvm_source_objects{pipeline="shop",source="shop.orders"} 2
# HELP cvm_table_rows Rows of a published table.
# TYPE cvm_table_rows gauge
cvm_table_rows{pipeline="shop",table="customers"} 3
# HELP cvm_table_bytes Bytes of a published table.
# TYPE cvm_table_bytes gauge
cvm_table_bytes{pipeline="shop",table="customers"} 50
# HELP cvm_stage_duration_seconds How long a stage took; a view's time is spent where it is read.
# TYPE cvm_stage_duration_seconds gauge
cvm_stage_duration_seconds{pipeline="shop",stage="customers",kind="sql"} 0.75
# HELP cvm_check_failed Whether rows broke a check.
# TYPE cvm_check_failed gauge
cvm_check_failed{pipeline="shop",check="all_well",severity="error"} 0
cvm_check_failed{pipeline="shop",check="customers__seen",severity="warning"} 1
# HELP cvm_check_rows_broken Rows that broke a check.
# TYPE cvm_check_rows_broken gauge
cvm_check_rows_broken{pipeline="shop",check="all_well",severity="error"} 0
cvm_check_rows_broken{pipeline="shop",check="customers__seen",severity="warning"} 1
"#;

#[test]
fn metrics_of_a_run() {
    assert_eq!(prometheus::text(&record(None)), METRICS);
}

#[test]
fn metrics_of_a_run_that_failed_tell_no_tables() {
    let text = prometheus::text(&record(terminated()));
    for line in [
        "cvm_run_success{pipeline=\"shop\"} 0\n",
        "cvm_run_exit_code{pipeline=\"shop\"} 6\n",
        "cvm_source_rows_read{pipeline=\"shop\",source=\"shop.orders\"} 10\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
    assert!(!text.contains("cvm_table_rows"));
}

#[test]
fn labels_are_quoted() {
    let mut odd = record(None);
    odd.pipeline = "a\"b\\c\nd".to_owned();
    let text = prometheus::text(&odd);
    assert!(text.contains("cvm_run_success{pipeline=\"a\\\"b\\\\c\\nd\"} 1\n"));
}
