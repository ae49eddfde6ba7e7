"""Executes what marts_sql.py made, and writes down how long each statement took.

usage: duckdb_marts.py STATEMENTS OUT THREADS
"""

import json
import sys
import time
from pathlib import Path

import duckdb


def main():
    statements, out, threads = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    db.execute(f"set threads = {threads}; set temp_directory = '{out}/spill'")
    seconds: dict[str, float] = {}
    for stage, sql in json.loads(Path(statements).read_text()):
        began = time.monotonic()
        try:
            db.execute(sql).fetchall()
        except duckdb.Error as error:
            sys.exit(f"{stage}: {error}\n{sql}")
        seconds[stage] = seconds.get(stage, 0) + time.monotonic() - began
    Path(out, "seconds.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    main()
