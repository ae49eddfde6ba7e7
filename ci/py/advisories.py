"""What ci/deny needs of advisories besides the tools that read them.

usage: advisories.py ignored         the exceptions of deny.toml, as options of cargo audit
       advisories.py looked_through  says when the crates of Cargo.lock were last looked through by hand; fails where they are others now
"""

import hashlib
import re
import sys
import tomllib
from pathlib import Path

RECORD = Path("ci/advisories.md")
# day, where the database ended, crates, their fingerprint, what was found
ROW = re.compile(r"^\| (\d{4}-\d\d-\d\d) \| (.+?) \| (\d+) \| `([0-9a-f]{64})` \| (.+?) \|$", re.MULTILINE)


def read(file: str) -> dict:
    return tomllib.loads(Path(file).read_text())


def ignored() -> list[str]:
    return [f"--ignore={entry['id']}" for entry in read("deny.toml")["advisories"]["ignore"]]


def foreign_crates() -> list[str]:
    """Name and version of each crate that is not our own, sorted."""
    return sorted(f"{crate['name']} {crate['version']}" for crate in read("Cargo.lock")["package"] if "source" in crate)


def looked_through() -> int:
    crates = foreign_crates()
    fingerprint = hashlib.sha256("\n".join(crates).encode()).hexdigest()
    rows = ROW.findall(RECORD.read_text())
    if not rows:
        print(f"{RECORD} has no row of the form that is read")
        return 1
    day, database, count, of_then, found = rows[-1]
    if of_then != fingerprint:
        print(f"Cargo.lock has other crates than the {count} that were looked through on {day}. Run ci/deny where the database can be fetched, "
              f"or look through those that are new and add a row to {RECORD}: they are {len(crates)} now, with the fingerprint {fingerprint}")
        return 1
    print(f"The same {count} crates were last looked through on {day}, in a copy that reaches to {database}: {found}.")
    return 0


def main() -> int:
    match sys.argv[1:]:
        case ["ignored"]:
            for option in ignored():
                print(option)
            return 0
        case ["looked_through"]:
            return looked_through()
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
