"""What a reader of a published target sees, read from the files alone. Standard library only."""

import hashlib
import json
from pathlib import Path


class Published:
    """The folder to which a pipeline publishes."""

    def __init__(self, target: str | Path):
        self.target = Path(target)

    def commits(self) -> list[dict]:
        """Every commit, oldest first."""
        files = sorted((self.target / "_cvm" / "commits").glob("*.json"))
        return [json.loads(file.read_text()) for file in files]

    def manifest(self, run: str) -> dict:
        return json.loads((self.target / "_cvm" / "runs" / f"{run}.json").read_text())

    def tables(self, commit: dict) -> dict[str, dict]:
        """The manifest entry of each table that a commit shows."""
        shown = {}
        for name, where in commit["tables"].items():
            entries = {table["name"]: table for table in self.manifest(where["run"])["tables"]}
            shown[name] = entries[name]
        return shown

    def current(self) -> dict[str, dict]:
        """The manifest entry of each table that readers see now."""
        return self.tables(self.commits()[-1])

    def stable(self, table: str) -> Path:
        return self.target / f"{table}.parquet"

    def fingerprints(self, commit: dict) -> dict[str, str]:
        """SHA-256 of the one file of each table, as the manifest tells it."""
        return {name: entry["files"][0]["sha256"] for name, entry in self.tables(commit).items()}

    def faults(self) -> list[str]:
        """Where a committed file is not what its manifest says."""
        found = []
        for commit in self.commits():
            for name, entry in self.tables(commit).items():
                for file in entry["files"]:
                    path = self.target / file["path"]
                    if not path.exists():
                        found.append(f"commit {commit['number']}: {name}: {file['path']} is missing")
                    elif path.stat().st_size != file["bytes"] or sha256(path) != file["sha256"]:
                        found.append(f"commit {commit['number']}: {name}: {file['path']} is not what was committed")
        return found

    def stable_faults(self, commits: list[dict]) -> list[str]:
        """Where a stable path is not the whole file of one of these commits."""
        allowed: dict[str, set[str]] = {}
        for commit in commits:
            for name, fingerprint in self.fingerprints(commit).items():
                allowed.setdefault(name, set()).add(fingerprint)
        found = []
        for name, fingerprints in allowed.items():
            path = self.stable(name)
            if not path.exists():
                found.append(f"{path.name} is missing")
            elif sha256(path) not in fingerprints:
                found.append(f"{path.name} is none of the {len(fingerprints)} files it may be")
        return found


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differences(one: Published, other: Published) -> list[str]:
    """Where two targets do not show the same tables with the same bytes."""
    left, right = one.fingerprints(one.commits()[-1]), other.fingerprints(other.commits()[-1])
    found = [f"{name} is published in one only" for name in sorted(left.keys() ^ right.keys())]
    found += [f"{name} differs" for name in sorted(left.keys() & right.keys()) if left[name] != right[name]]
    return found + one.faults() + other.faults() + one.stable_faults(one.commits()[-1:]) + other.stable_faults(other.commits()[-1:])
