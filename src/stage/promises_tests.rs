use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::parser::DFParser;
use tempfile::TempDir;

use super::layout_tests::context;
use super::{Keep, Promises, SqlStage, Stage, StageError};
use crate::spec::problem::SourceText;
use crate::spec::table::TableFile;
use crate::spec::yaml;

fn contract() -> TableFile {
    let text = "table: t\ndescription: Rows.\ngrain: one row an id\nkey: [id]\ncolumns:\n  \
                id: { type: varchar, description: Its name. }\n  \
                kind: { type: varchar, accepted_values: [good, fair], description: Its kind. }\n  \
                amount: { type: bigint, required: true, minimum: 1, description: A number. }\n";
    let file = Arc::new(SourceText {
        path: "t.yml".to_owned(),
        text: text.to_owned(),
    });
    yaml::decode(&file, &|_| None).unwrap()
}

/// How many rows of `sql` are written down, if they are.
async fn made(sql: &str, keep: Keep) -> Result<Option<u64>, StageError> {
    let folder = TempDir::new().unwrap();
    let schema = Schema::new(vec![
        Field::new("id", DataType::Utf8View, true),
        Field::new("kind", DataType::Utf8View, true),
        Field::new("amount", DataType::Int64, true),
    ]);
    let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
    let stage = SqlStage::new(
        "t".to_owned(),
        Vec::new(),
        Arc::new(schema),
        statement,
        keep,
    );
    let stage = stage.held_to(Promises::of(&contract()));
    stage
        .run(&context(&folder, 2))
        .await
        .map(|made| made.written.map(|written| written.rows))
}

/// What is wrong with a row, up to what to do about it.
async fn broken(row: &str) -> String {
    let sql = format!("select 'a' as id, 'good' as kind, 1 as amount union all select {row}");
    let error = made(&sql, Keep::Always).await.unwrap_err().to_string();
    let (told, _) = error.split_once("; nothing was published").unwrap();
    told.to_owned()
}

#[tokio::test]
async fn rows_that_keep_their_contract_are_written_down() {
    let sql = "select 'a' as id, 'good' as kind, 1 as amount union all select 'b', null, 2";
    assert_eq!(made(sql, Keep::Always).await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_row_that_breaks_its_contract_is_told_with_its_key() {
    assert_eq!(
        broken("null, 'good', 2").await,
        "the column `id` of `t` has no value, but is required, at id = null"
    );
    assert_eq!(
        broken("'b', 'fair', null").await,
        "the column `amount` of `t` has no value, but is required, at id = b"
    );
    assert_eq!(
        broken("'b', 'poor', 2").await,
        "the column `kind` of `t` is `poor`, but should be one of 'fair', 'good', at id = b"
    );
    assert_eq!(
        broken("'b', 'fair', 0").await,
        "the column `amount` of `t` is `0`, but should be at least 1, at id = b"
    );
}

#[tokio::test]
async fn a_view_is_held_to_nothing() {
    let sql = "select 'a' as id, 'poor' as kind, 0 as amount";
    assert_eq!(made(sql, Keep::View).await.unwrap(), None);
}
