"""The forms in which runs are told, each held against what its own readers are made of.

OpenLineage's JSON Schemas are in no package registry; `observed_official` holds events against a copy where one is at hand. The classes
of its official Python client are generated from them, so schemas are made of these again: types, required fields, no field that the specification does not know, and the version of each form.
"""

import base64
import types
import typing
from typing import Any

import attr
import jsonschema
from google.protobuf import json_format
from openlineage.client.event_v2 import RunEvent
from openlineage.client.generated import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    documentation_dataset,
    documentation_job,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    symlinks_dataset,
    tags_run,
    test_run,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

ASSERTIONS = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet
# The facets that cvm may tell, by where they stand.
FACETS = {
    "run": {
        "parent": parent_run.ParentRunFacet,
        "nominalTime": nominal_time_run.NominalTimeRunFacet,
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
        "tags": tags_run.TagsRunFacet,
        "test": test_run.TestRunFacet,
        "errorMessage": error_message_run.ErrorMessageRunFacet,
    },
    "job": {
        "jobType": job_type_job.JobTypeJobFacet,
        "documentation": documentation_job.DocumentationJobFacet,
    },
    "dataset": {
        "symlinks": symlinks_dataset.SymlinksDatasetFacet,
        "documentation": documentation_dataset.DocumentationDatasetFacet,
        "schema": schema_dataset.SchemaDatasetFacet,
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    },
    "input": {
        "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
        "dataQualityAssertions": ASSERTIONS,
    },
    "output": {
        "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
        "dataQualityAssertions": ASSERTIONS,
    },
}
FORMATS = {
    "date-time": {"eventTime", "nominalStartTime", "nominalEndTime"},
    "uri": {"producer", "schemaURL", "_producer", "_schemaURL"},
    "uuid": {"runId"},
}
SIMPLE = {str: "string", int: "integer", bool: "boolean", float: "number"}


def schema_of(annotation: Any) -> dict[str, Any]:
    """The JSON Schema of a type of the client."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return {}
    if origin in (typing.Union, types.UnionType):
        # None stands for a field that is left away, and is never written.
        (annotation,) = [argument for argument in arguments if argument is not types.NoneType]
        return schema_of(annotation)
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if annotation in SIMPLE:
        return {"type": SIMPLE[annotation]}
    if attr.has(annotation):
        return schema_of_class(annotation)
    return {"enum": [member.value for member in annotation]}


def schema_of_class(form: type) -> dict[str, Any]:
    properties, required = {}, []
    hints = typing.get_type_hints(form)
    for field in attr.fields(form):
        # What may hold itself, as a struct's fields, is of no use here.
        if field.name == "fields" and form is schema_dataset.SchemaDatasetFacetFields:
            continue
        of = schema_of(hints[field.name])
        of |= {"format": name for name, fields in FORMATS.items() if field.name in fields}
        properties[field.name] = of
        if field.default is attr.NOTHING:
            required.append(field.name)
    for name in ("_schemaURL", "schemaURL"):
        if name in properties:
            properties[name]["const"] = form._get_schema()
            required += [name, name.replace("schemaURL", "producer")]
    return {"type": "object", "properties": properties, "required": sorted(set(required)), "additionalProperties": False}


def event_schema() -> dict[str, Any]:
    """The schema of an event that has none but the facets that cvm tells."""
    schema = schema_of_class(RunEvent)

    def only(kind: str) -> dict[str, Any]:
        facets = {name: schema_of_class(form) for name, form in FACETS[kind].items()}
        return {"type": "object", "properties": facets, "additionalProperties": False}

    properties = schema["properties"]
    properties["run"]["properties"]["facets"] = only("run")
    properties["job"]["properties"]["facets"] = only("job")
    for side in ("input", "output"):
        dataset = properties[f"{side}s"]["items"]["properties"]
        dataset["facets"], dataset[f"{side}Facets"] = only("dataset"), only(side)
    schema["required"] += ["eventType", "inputs", "outputs"]
    return schema


EVENTS = jsonschema.Draft202012Validator(event_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
for needed in FORMATS:
    # A format whose package is missing would pass whatever it is given.
    assert needed in EVENTS.format_checker.checkers, f"jsonschema cannot check the format {needed}"


def event_faults(event: dict[str, Any]) -> list[str]:
    """Where an event is not of OpenLineage's form."""
    kind = event.get("eventType")
    faults = [f"{kind} {fault.json_path}: {fault.message[:200]}" for fault in EVENTS.iter_errors(event)]
    return faults + [fault for dataset in event.get("outputs", []) for fault in lineage_faults(dataset, event)]


def lineage_faults(dataset: dict[str, Any], event: dict[str, Any]) -> list[str]:
    """Columns of a column lineage that neither side has."""
    columns = lambda of: {field["name"] for field in of["facets"].get("schema", {}).get("fields", [])}
    inputs = {(source["namespace"], source["name"]): columns(source) for source in event["inputs"]}
    fields = dataset["facets"].get("columnLineage", {}).get("fields", {})
    faults = [f"{dataset['name']} has lineage of no column `{name}`" for name in fields.keys() - columns(dataset)]
    for name, of in fields.items():
        for origin in of["inputFields"]:
            known = inputs.get((origin["namespace"], origin["name"]), set())
            if origin["field"] not in known:
                faults.append(f"{dataset['name']}.{name} comes from no input's column: {origin}")
    return faults


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(text: str) -> tuple[Samples, list[str]]:
    """The samples of a page of metrics by name and labels, and what Prometheus would refuse or its conventions deplore."""
    samples: Samples = {}
    faults = [] if text.endswith("\n") else ["the last line of the metrics has no end"]
    seen = set()
    for family in text_string_to_metric_families(text):
        if family.name in seen:
            faults.append(f"{family.name} is there twice")
        seen.add(family.name)
        if family.type != "gauge" or not family.documentation:
            faults.append(f"{family.name} is a {family.type} that says `{family.documentation}`")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in samples:
                faults.append(f"{key} is there twice")
            samples[key] = sample.value
    return samples, faults


def spans_of(body: dict[str, Any]) -> tuple[list[Any], dict[str, str], list[str]]:
    """The spans of a trace, the attributes of its resource, and where it is not of OTLP's form."""
    faults = []
    for resource in body["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                # OTLP's JSON has ids in hex, where protobuf's own has base64.
                for name, length in (("traceId", 32), ("spanId", 16), ("parentSpanId", 16)):
                    if name in span:
                        if len(span[name]) != length or span[name] != span[name].lower():
                            faults.append(f"{name} {span[name]}")
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
                # … and enums as numbers alone.
                if not isinstance(span["kind"], int) or not isinstance(span.get("status", {}).get("code", 0), int):
                    faults.append(f"an enum of {span['name']} is no number")
    request = json_format.ParseDict(body, ExportTraceServiceRequest())
    about = {of.key: of.value.string_value for of in request.resource_spans[0].resource.attributes}
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    return spans, about, faults
