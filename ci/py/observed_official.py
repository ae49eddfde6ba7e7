"""OpenLineage's events against OpenLineage's own JSON Schemas, where somebody has them at hand.

They are in no package registry, so they are no part of a run of ci/observed that has nothing else. A clone of OpenLineage holds what it
publishes at https://openlineage.io/spec: CVM_OPENLINEAGE_SPEC names that folder, `website/static/spec`. A form is looked up there by the
URL that an event gives for it, so the folder may hold any number of versions, and what it does not hold is a fault.
"""

import json
import os
import re
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


class Official:
    """The schemas of a folder. Nothing is fetched."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.registry = Registry(retrieve=self.retrieve)

    def retrieve(self, uri: str) -> Resource:
        path = self.folder / uri.removeprefix(SPEC)
        if SIBLING.fullmatch(uri):
            return DRAFT202012.create_resource(False)
        if not uri.startswith(SPEC) or not path.is_file():
            raise NoSuchResource(ref=uri)
        return Resource.from_contents(json.loads(path.read_text()), default_specification=DRAFT202012)

    def faults(self, event: dict[str, Any]) -> list[str]:
        """Where an event, or any of its facets, is not of the form whose URL it gives."""
        kind = event.get("eventType")
        told = [("event", event, event.get("schemaURL"))]
        told += [(name, facet, facet.get("_schemaURL")) for name, facet in facets_of(event)]
        return [f"{kind} {name}: {fault}" for name, what, url in told for fault in self.faults_of(what, url)]

    def faults_of(self, what: dict[str, Any], url: str | None) -> list[str]:
        if not url:
            return ["gives no URL of its form"]
        validator = jsonschema.Draft202012Validator({"$ref": url}, registry=self.registry, format_checker=FORMATS)
        try:
            return [f"{fault.json_path}: {fault.message[:200]}" for fault in validator.iter_errors(what)]
        except Unresolvable as missing:
            return [f"{self.folder} has no {missing.ref}"]


def facets_of(event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each facet of an event with where it stands."""
    holders = [("run", event["run"], "facets"), ("job", event["job"], "facets")]
    for side in ("input", "output"):
        for dataset in event.get(f"{side}s", []):
            where = f"{side} {dataset['name']}"
            holders += [(where, dataset, "facets"), (where, dataset, f"{side}Facets")]
    return [(f"{where}: {name}", facet) for where, of, key in holders for name, facet in of.get(key, {}).items()]


def at_hand() -> Official | None:
    """The schemas that the environment names; says so where it names none."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        print(f"NOT CHECKED: events against OpenLineage's own JSON Schemas. {VARIABLE} names no `website/static/spec` of a clone of it; "
              "the classes of its client, which are generated from them, are checked.")
        return None
    if not Path(folder).is_dir():
        raise SystemExit(f"{VARIABLE} names no folder: {folder}")
    print(f"events are held against OpenLineage's own JSON Schemas in {folder}")
    return Official(Path(folder))
