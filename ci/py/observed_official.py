"""OpenLineage's events against OpenLineage's own JSON Schemas.

A clone of OpenLineage holds what it publishes at https://openlineage.io/spec: CVM_OPENLINEAGE_SPEC names that folder,
`website/static/spec`. A form is looked up there by the URL that an event gives for it, so the folder may hold any number of versions,
and what it does not hold is a fault. Without such a folder they are taken from a crate that brings some of them, as they are, for its
own tests; what it is known not to bring is checked by the classes of OpenLineage's client alone, and anything else that is not there is
a fault too.
"""

import hashlib
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource, Unresolvable
from referencing.jsonschema import DRAFT202012

SPEC = "https://openlineage.io/spec/"
# In the schema of an event, known facets stand as alternatives to any facet at all, by URLs that lead nowhere. Each is checked by itself.
SIBLING = re.compile(re.escape(SPEC) + r"[0-9]+-[0-9]+-[0-9]+/facets/\w+\.json")
VARIABLE = "CVM_OPENLINEAGE_SPEC"
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER

# The crate has the schemas of OpenLineage 1.50.0.
CRATE, VERSION = "datafusion-openlineage", "0.0.12"
SHA256 = "c3174cdfb83e6ada02b64b2684f696ca382886cae5ce98d12ec802bbb1392129"
INSIDE = f"{CRATE}-{VERSION}/tests/schemas/openlineage/"
# Forms that cvm gives and the crate has not, or has of another version only.
LACKS = frozenset({
    "facets/1-0-0/TagsRunFacet.json",
    "facets/1-0-1/NominalTimeRunFacet.json",
    "facets/1-0-1/TestRunFacet.json",
    "facets/1-1-0/DataQualityAssertionsDatasetFacet.json",
    "facets/1-1-0/DocumentationDatasetFacet.json",
    "facets/1-1-0/DocumentationJobFacet.json",
    "facets/1-2-0/ParentRunFacet.json",
    "facets/2-0-4/JobTypeJobFacet.json",
})


class Official:
    """Schemas by their place below SPEC, and the places of those that may be missing."""

    def __init__(self, where: str, schemas: dict[str, Any], lacks: frozenset[str] = frozenset()):
        self.where = where
        self.schemas = schemas
        self.lacks = lacks
        self.registry = Registry(retrieve=self.retrieve)

    def retrieve(self, uri: str) -> Resource:
        place = uri.removeprefix(SPEC)
        if SIBLING.fullmatch(uri):
            return DRAFT202012.create_resource(False)
        if not uri.startswith(SPEC) or place not in self.schemas:
            raise NoSuchResource(ref=uri)
        return Resource.from_contents(self.schemas[place], default_specification=DRAFT202012)

    def faults(self, event: dict[str, Any]) -> list[str]:
        """Where an event, or any of its facets, is not of the form whose URL it gives."""
        kind = event.get("eventType")
        told = [("event", event, event.get("schemaURL"))]
        told += [(name, facet, facet.get("_schemaURL")) for name, facet in facets_of(event)]
        return [f"{kind} {name}: {fault}" for name, what, url in told for fault in self.faults_of(what, url)]

    def faults_of(self, what: dict[str, Any], url: str | None) -> list[str]:
        if not url:
            return ["gives no URL of its form"]
        if url.removeprefix(SPEC).split("#")[0] in self.lacks:
            return []
        validator = jsonschema.Draft202012Validator({"$ref": url}, registry=self.registry, format_checker=FORMATS)
        try:
            return [f"{fault.json_path}: {fault.message[:200]}" for fault in validator.iter_errors(what)]
        except Unresolvable as missing:
            return [f"{self.where} has no {missing.ref}"]


def facets_of(event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each facet of an event with where it stands."""
    holders = [("run", event["run"], "facets"), ("job", event["job"], "facets")]
    for side in ("input", "output"):
        for dataset in event.get(f"{side}s", []):
            where = f"{side} {dataset['name']}"
            holders += [(where, dataset, "facets"), (where, dataset, f"{side}Facets")]
    return [(f"{where}: {name}", facet) for where, of, key in holders for name, facet in of.get(key, {}).items()]


def at_hand() -> Official:
    """The schemas of the folder that the environment names, or those of the crate; says which, and what goes unchecked."""
    folder = os.environ.get(VARIABLE)
    if folder:
        if not Path(folder).is_dir():
            raise SystemExit(f"{VARIABLE} names no folder: {folder}")
        print(f"events are held against OpenLineage's own JSON Schemas in {folder}")
        paths = sorted(Path(folder).rglob("*.json"))
        return Official(folder, {path.relative_to(folder).as_posix(): json.loads(path.read_text()) for path in paths})
    crate = f"{CRATE} {VERSION}"
    schemas = of_crate()
    print(f"events are held against OpenLineage's own JSON Schemas in the crate {crate}: {len(schemas)} forms")
    print(f"NOT CHECKED against them: {', '.join(sorted(LACKS))}. The classes of OpenLineage's client, which are generated from them, are "
          f"checked. {VARIABLE} may name the `website/static/spec` of a clone of OpenLineage, which has them all.")
    return Official(crate, schemas, LACKS)


def of_crate() -> dict[str, Any]:
    """What the crate has, by its `$id`. Its files are read from its archive; nothing of it is built."""
    archive = downloaded()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{archive} has the SHA-256 {found}, not {SHA256}")
    with tarfile.open(archive) as files:
        names = [name for name in files.getnames() if name.startswith(INSIDE) and name.endswith(".json")]
        schemas = [json.loads(file.read()) for name in names if (file := files.extractfile(name))]
    return {schema["$id"].removeprefix(SPEC): schema for schema in schemas}


def downloaded() -> Path:
    """The archive of the crate in Cargo's own cache: `cargo info` fetches one crate and none of its dependencies."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    pattern = f"registry/cache/*/{CRATE}-{VERSION}.crate"
    if not any(home.glob(pattern)):
        command = ["cargo", "info", "--quiet", "--registry", "crates-io", f"{CRATE}@{VERSION}"]
        print(f"$ {' '.join(command)}", flush=True)
        # Away from the clone: its toolchain file and its lock are none of this crate's.
        if subprocess.run(command, check=False, cwd="/", stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(f"the crate {CRATE} {VERSION} could not be fetched; {VARIABLE} may name a folder instead")
    return next(home.glob(pattern))
