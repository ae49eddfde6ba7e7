"""cvm's stages as statements for DuckDB, from the same SQL files.

Nothing is rewritten but what stands here: parameters become literals, cvm's own functions macros, a few spellings of dialect, and
`REWRITTEN`, where DuckDB has no aggregate of the kind and is faster with a form of its own. Integer division and the place of nulls in
`order by` are settings.
"""

import re
from pathlib import Path

import yaml

SETTINGS = ["set timezone = 'UTC'", "set integer_division = true", "set default_null_order = 'nulls_last_on_asc_first_on_desc'"]

# What `cvm list functions` has and DuckDB has not. $timezone is UTC here, as is the session's, so that a cast is the local day and no
# calendar is asked. None of the first values is null in these orders, which is the one case that `arg_min` tells otherwise.
MACROS = [
    "create macro local_date(instant, zone) as cast(instant as date)",
    "create macro count_distinct_days(day) as count(distinct day)",
    "create macro first_by(value, day) as arg_min(value, day), (value, day, tie) as arg_min(value, row(day, tie))",
    "create macro to_char(day, form) as strftime(day, form)",
    "create macro to_unixtime(instant) as cast(floor(epoch(instant)) as bigint)",
]

# Spellings, each a pattern and what takes its place.
DIALECT = [
    # Reserved in DuckDB.
    (r"\bboth\b(?= as \()|(?<=from )both\b", '"both"'),
]

# By stage, the common table expression that is written otherwise. DuckDB has nothing like `sum_on_first_day`; a row a customer and day
# first is also what it counts days and finds the first channel fastest with.
REWRITTEN = {
    "int_customers_summarised": ("sums", """
    select
        customer_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        arg_min(channel, order_date) as first_channel,
        cast(sum(orders) as bigint) as orders,
        count(*) as purchase_days,
        sum(discounts) as discounts,
        sum(revenue) as revenue,
        sum(cost) as cost,
        arg_min_null(order_value, order_date) as first_day_value,
        bool_or(has_unvalued_order) as has_unvalued_order,
        bool_or(has_unknown_cost) as has_unknown_cost
    from (
        select
            customer_id,
            order_date,
            arg_min(channel, order_id) as channel,
            count(*) as orders,
            sum(discounts) as discounts,
            sum(revenue) as revenue,
            sum(cost) as cost,
            sum(order_value) as order_value,
            bool_or(revenue is null) as has_unvalued_order,
            bool_or(cost is null) as has_unknown_cost
        from orders
        where customer_id is not null
        group by customer_id, order_date
    )
    group by customer_id
"""),
}


def literals(project: Path, parameters: dict[str, str], as_of: str) -> dict[str, str]:
    """Each parameter as SQL of its declared type."""
    types = {"horizon_days": "bigint", "annual_discount_rate": "double"}
    for file in (project / "sql/parameters").glob("*.yml"):
        types |= {name: declared["type"] for name, declared in yaml.safe_load(file.read_text())["parameters"].items()}
    told = {"as_of": f"date '{as_of}'"}
    for name, value in parameters.items():
        kind = types.get(name, "varchar")
        if kind == "varchar":
            told[name] = f"'{value}'"
        elif kind in ("bigint", "boolean"):
            told[name] = value
        else:
            told[name] = f"cast({value} as {kind})"
    return told


def with_literals(sql: str, told: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: told[found[1]], sql)


def without_comments(sql: str) -> str:
    return re.sub(r"^\s*--.*$", "", sql, flags=re.MULTILINE)


def translated(stage: str, sql: str, told: dict[str, str]) -> str:
    sql = without_comments(sql)
    if stage in REWRITTEN:
        name, body = REWRITTEN[stage]
        sql, found = re.subn(rf"(?ms)^{name} as \(\n.*?^\)", f"{name} as ({body})", sql)
        if found != 1:
            raise ValueError(f"{stage}: there is no `{name}` to rewrite")
    for pattern, spelling in DIALECT:
        sql = re.sub(pattern, spelling, sql)
    return with_literals(sql, told)


def condition(column: str, asked) -> str:
    """A scheme's condition on a column, as sql/schemes writes it."""
    if isinstance(asked, list):
        return "(" + " or ".join(f"({condition(column, one)})" for one in asked) + ")"
    if asked is None:
        return f"{column} is null"
    if isinstance(asked, bool):
        return f"{column} = {str(asked).lower()}"
    if not isinstance(asked, str):
        return f"{column} = {asked}"
    if asked == "not null":
        return f"{column} is not null"
    if ".." in asked:
        low, high = asked.split("..")
        return f"{column} between {low} and {high}"
    if asked[0] in "<>=":
        return " and ".join(f"{column} {part}" for part in asked.split(" and "))
    return f"{column} = {asked}"


def classified(project: Path, schemes: list[dict]) -> str:
    """What cvm makes of the rules of all schemes: `int_customers_classified`."""
    selects = []
    for scheme in schemes:
        declared = yaml.safe_load((project / "sql/schemes" / f"{scheme['scheme']}.yml").read_text())
        whens = []
        for rule in declared["rules"]:
            tests = " and ".join(condition(column, asked) for column, asked in rule["when"].items())
            segment = rule["segment"].replace("'", "''")
            whens.append(f"when {tests} then '{segment}'")
        selects.append(
            f"select customer_id, as_of_date, '{scheme['scheme']}' as scheme, case {' '.join(whens)} end as segment from {declared['input']}"
        )
    return " union all ".join(selects)


def entity(stage: dict, columns_of: dict[str, list[dict]]) -> str:
    """An entity with the columns of its contract: those of its one staging table, or no rows at all."""
    bound = stage["reads"][0] if stage["reads"] else None
    there = {column["name"] for column in columns_of.get(bound, [])}
    columns = ", ".join(
        f"cast({c['name'] if c['name'] in there else 'null'} as {c['type']}) as {c['name']}" for c in stage["columns"]
    )
    return f"create view {stage['table']} as select {columns} from {bound}" if bound else f"create table {stage['table']} as select {columns} where false"


def statements(plan: dict, project: Path, orders: str, out: str, as_of: str, tables: str) -> list[tuple[str, str]]:
    """What DuckDB executes, each with the stage that it belongs to.

    `tables` says which stages become temporary tables: `shared`, those that are read more than once; `planned`, those that cvm
    writes down; `all`; the others are views.
    """
    told = literals(project, plan["parameters"], as_of)
    files = {file.stem: file for file in (project / "sql").glob("*/**/*.sql")}
    columns_of = {stage["table"]: stage["columns"] for stage in plan["stages"]}
    uses: dict[str, int] = {}
    for stage in plan["stages"]:
        for read in stage["reads"]:
            uses[read] = uses.get(read, 0) + 1
    # The raw table has the type of its declaration, which is what the staging SQL sees in cvm too.
    made = [("settings", sql) for sql in SETTINGS + MACROS]
    made += [("settings", sql) for sql in ("create schema entities", "create schema bench")]
    made.append(("bench.orders", f"create view bench.orders as select * from read_parquet('{orders}')"))
    for stage in plan["stages"]:
        name, layer = stage["table"], stage["layer"]
        if layer == "entity":
            made.append((name, entity(stage, columns_of)))
            continue
        if layer == "check" and name not in files:
            continue  # Declared in a contract: cvm alone makes it.
        if name == "int_customers_classified":
            sql = with_literals(classified(project, plan["schemes"]), told)
        else:
            sql = translated(name, files[name].read_text(), told)
        typed = ", ".join(f"cast({c['name']} as {duckdb_type(c['type'])}) as {c['name']}" for c in stage["columns"])
        sql = f"select {typed} from (\n{sql}\n)"
        if layer == "check":
            made.append((name, f"select count(*) from ({sql})"))
            continue
        is_table = {
            "shared": uses.get(name, 0) > 1 and layer != "staging",
            "planned": stage["written_down"] and layer != "staging",
            "all": uses.get(name, 0) > 0 and layer != "staging",
        }[tables]
        if uses.get(name, 0) > 0:
            made.append((name, f"create temp {'table' if is_table else 'view'} {name} as {sql}"))
            sql = f"select * from {name}"
        if name in plan["outputs"]:
            key = ", ".join(yaml.safe_load(files[name].with_suffix(".yml").read_text())["key"])
            made.append((name, f"copy ({sql} order by {key}) to '{out}/{name}.parquet' (format parquet, compression zstd)"))
    return made


def duckdb_type(sql_type: str) -> str:
    return "timestamptz" if sql_type == "timestamp" else sql_type
