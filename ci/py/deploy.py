"""The manifests under deploy/kubernetes are what Kubernetes takes, and exit codes mean the same everywhere.

usage: deploy.py CVM WORK

WORK holds a project of `cvm init` in project/, its raw data in raw/ and CVM in bin/cvm. The script of the cron job is run as it
stands, with a `cvm` that only shows what it was given; then CVM is run and stopped halfway.
"""

import ast
import copy
import datetime
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import deploy_image
import kubernetes_validate
import yaml

MANIFESTS = sorted(Path("deploy/kubernetes").glob("*.yaml"))
# The oldest in which everything that the manifests say is settled, and the newest that the schemas know.
VERSIONS = ("1.31", kubernetes_validate.latest_version())
POD = ("spec", "jobTemplate", "spec", "template", "spec")
RULES = ("spec", "jobTemplate", "spec", "podFailurePolicy", "rules")
CONTAINER = (*POD, "containers", 0)
# Where the cron job is made wrong, and how; None removes the field. A validator that lets one of them pass proves nothing.
MUTATIONS = [
    (("spec", "concurrencyPolicy"), ["Forbid"]),
    (("spec", "schedule"), None),
    (("spec", "jobTemplate", "spec", "backoffLimit"), "six"),
    ((*RULES, 1, "action"), None),
    ((*RULES, 1, "onExitCodes", "values"), ["four"]),
    ((*POD, "terminationGracePeriod"), 60),
    ((*POD, "securityContext", "runAsNonRoot"), "yes"),
    ((*POD, "volumes", 0, "name"), None),
    ((*CONTAINER, "terminationMesagePath"), "/dev/termination-log"),
    ((*CONTAINER, "resources", "limits"), ["8Gi"]),
    ((*CONTAINER, "securityContext", "capabilities", "drop"), "ALL"),
]


class Checks:
    """Prints each check and remembers what failed."""

    def __init__(self):
        self.made = self.failed = 0

    def equal(self, what: str, expected, found):
        held = expected == found
        self.made += 1
        self.failed += not held
        print(f"{'ok' if held else 'FAILED':<7}{what}" + ("" if held else f": expected {expected!r}, found {found!r}"))

    def end(self, name: str) -> int:
        print(f"{name}: {self.made} checks, {self.failed} failed")
        return 1 if self.failed or not self.made else 0


def fault(manifest: dict, version: str) -> str | None:
    """What a version of Kubernetes has against a manifest; fields that it does not know count."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return error.message
    return None


def mutated(manifest: dict, path: tuple, value) -> dict:
    manifest = copy.deepcopy(manifest)
    *parents, last = path
    at = manifest
    for step in parents:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return manifest


def schemas(checks: Checks, manifests: list[dict], cron_job: dict):
    for version in VERSIONS:
        for manifest in manifests:
            name = f"{manifest['kind']} {manifest['metadata']['name']}"
            checks.equal(f"{name} is of Kubernetes {version}", None, fault(manifest, version))
        for path, value in MUTATIONS:
            said = fault(mutated(cron_job, path, value), version)
            how = "missing" if value is None else json.dumps(value)
            where = ".".join(str(step) for step in path)
            checks.equal(f"{version} refuses {where} {how}: {said}", True, said is not None)


def beyond_schemas(checks: Checks, manifests: list[dict], cron_job: dict):
    """What the API server, or a run, would complain of and no schema tells: the schemas know types and fields, no choices."""
    job = cron_job["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    container = pod["containers"][0]
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    checks.equal("runs do not overlap", "Forbid", cron_job["spec"]["concurrencyPolicy"])
    checks.equal("podFailurePolicy needs restartPolicy", "Never", pod["restartPolicy"])
    checks.equal("… and a pod that comes after the last one", "Failed", job["podReplacementPolicy"])
    checks.equal("the service account is there", True, ("ServiceAccount", pod["serviceAccountName"]) in names)
    for source in container["envFrom"]:
        kind, name = ("ConfigMap", source["configMapRef"]["name"]) if "configMapRef" in source else ("Secret", source["secretRef"]["name"])
        checks.equal(f"the {kind} {name} is there", True, (kind, name) in names)
    checks.equal("mounts are volumes", [v["name"] for v in pod["volumes"]], [m["name"] for m in container["volumeMounts"]])
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    checks.equal("only the volume can be written", {"/work"}, mounted & {env["CVM_WORK_FOLDER"]} & {env["TMPDIR"]})
    checks.equal("the root file system is read only", True, container["securityContext"]["readOnlyRootFilesystem"])
    checks.equal("memory asked for is memory allowed", container["resources"]["limits"]["memory"], container["resources"]["requests"]["memory"])
    checks.equal("the report is the termination message", container["terminationMessagePath"], env["CVM_REPORT"])
    checks.equal("… or else the log's end", "FallbackToLogsOnError", container["terminationMessagePolicy"])


def exit_codes(checks: Checks, cvm: str, cron_job: dict):
    """README.md says of each code whether it is worth another try; the DAGs and the cron job do the same."""
    section = Path("README.md").read_text().split("\n## Exit codes\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d) \| .+ \| ([^|]+) \|$", section, re.MULTILINE))
    help_text = subprocess.run([cvm, "--help"], capture_output=True, text=True, check=True).stdout
    told = re.findall(r"(\d)\s+[a-z]", help_text.split("Exit codes:")[1])
    checks.equal("README.md lists the codes of cvm --help", sorted(told), sorted(rows))
    again = {int(code) for code, what in rows.items() if re.search(r"\bretry later|\brun again", what)}
    checks.equal("README.md says which codes to retry", {4, 5, 6}, again)
    job = cron_job["spec"]["jobTemplate"]["spec"]
    ignore, give_up = job["podFailurePolicy"]["rules"]
    checks.equal("disruptions are no tries", ("Ignore", "DisruptionTarget", "True"),
        (ignore["action"], ignore["onPodConditions"][0]["type"], ignore["onPodConditions"][0]["status"]))
    checks.equal("the cron job gives up on every other code", ("FailJob", "NotIn", sorted(again)),
        (give_up["action"], give_up["onExitCodes"]["operator"], give_up["onExitCodes"]["values"]))
    checks.equal("… of its container", job["template"]["spec"]["containers"][0]["name"], give_up["onExitCodes"]["containerName"])
    source = ast.parse(Path("deploy/airflow/dags/cvm_scheduling.py").read_text())
    constants = {node.targets[0].id: ast.literal_eval(node.value) for node in source.body if isinstance(node, ast.Assign)}
    checks.equal("the DAGs retry the same", again, constants["TRANSIENT"])
    checks.equal("the DAGs know what each code means", set(map(int, rows)) - {0}, set(constants["MEANING"]) & set(range(10)))


def script_days(checks: Checks, run):
    """The script of the cron job, as it stands, knows the day; `run` gives what a `cvm` that only shows its arguments was told under
    some variables, or the exit code."""
    def expected(day):
        return f"run pipelines/webshop.yml --as-of {day} --memory-limit 5734MiB --log json"

    checks.equal("scheduled for 04:00 in Berlin on January 1st", expected("2025-01-01"), run(JOB_NAME=job_name(2025, 1, 1, 3)))
    checks.equal("… for midnight, the day before in UTC", expected("2025-01-01"), run(JOB_NAME=job_name(2024, 12, 31, 23)))
    checks.equal("… for a minute before, in summer", expected("2025-07-01"), run(JOB_NAME=job_name(2025, 7, 1, 21, 59)))
    checks.equal("… for midnight in summer", expected("2025-07-02"), run(JOB_NAME=job_name(2025, 7, 1, 22)))
    checks.equal("… in Auckland", expected("2025-01-02"), run(JOB_NAME=job_name(2025, 1, 1, 15), ZONE="Pacific/Auckland"))
    checks.equal("a day that was asked for", expected("2024-02-29"), run(JOB_NAME="cvm-by-hand", AS_OF="2024-02-29"))
    today = lambda: str(datetime.datetime.now(ZoneInfo("Europe/Berlin")).date())
    before, found, after = today(), run(JOB_NAME="cvm-by-hand-1"), today()
    checks.equal("a Job made by hand is of today", True, found in (expected(before), expected(after)))
    checks.equal("no such time zone", 2, run(JOB_NAME=job_name(2025, 1, 1, 3), ZONE="Europe/Berlino"))


def job_name(*moment: int) -> str:
    """What Kubernetes names the Job that was scheduled for a moment."""
    return f"cvm-{int(datetime.datetime(*moment, tzinfo=datetime.UTC).timestamp()) // 60}"


def stub_cvm(folder: Path) -> Path:
    """A `cvm` that only shows what it was given."""
    folder.mkdir()
    stub = folder / "cvm"
    stub.write_text('#!/bin/sh\necho "$@"\n')
    stub.chmod(0o755)
    return stub


def container_of(cron_job: dict) -> dict:
    return cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]


def settings(container: dict) -> dict[str, str]:
    """The variables that the container is given by value."""
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}


def cron_script(checks: Checks, cron_job: dict, work: Path):
    """The script of the cron job by this machine's shell."""
    container = container_of(cron_job)
    folder = stub_cvm(work / "stub").parent

    def run(**env):
        env = {"PATH": f"{folder}:{os.environ['PATH']}", **settings(container), "MEMORY_MIB": "8192", **env}
        done = subprocess.run([*container["command"], *container["args"]], env=env, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else done.returncode

    script_days(checks, run)


def stopped(checks: Checks, work: Path):
    """Kubernetes and Airflow stop a task by SIGTERM: cvm removes what it wrote, and its report tells the end."""
    lake, report = work / "stopped", work / "stopped.json"
    env = {**os.environ, "PATH": f"{work}/bin:{os.environ['PATH']}", "CVM_REPORT": str(report)}
    env |= {"CVM_DEMO_RAW": f"file:{work}/raw", "CVM_DEMO_LAKE": f"file:{lake}"}
    command = ["cvm", "run", "pipelines/demo.yml", "--as-of", "2025-01-01", "--log", "json"]
    for whom, kill in (("the process", os.kill), ("its group", os.killpg)):
        process = subprocess.Popen(command, cwd=work / "project", env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
        while (line := process.stderr.readline()) and '"stage_finished"' not in line:
            pass
        kill(process.pid, signal.SIGTERM)
        process.stderr.read()
        checks.equal(f"SIGTERM to {whom} ends it with", 6, process.wait())
        told = json.loads(report.read_text())
        checks.equal("… the report says so", (6, "Terminated"), (told["exit_code"], told["failure"]["kind"]))
        checks.equal("… and nothing is published", [], list(lake.rglob("*.parquet")))


def libraries(checks: Checks, cvm: str):
    """Beyond the C library and its unwinder nothing is a shared library: else no static file could be made."""
    said = subprocess.run(["ldd", cvm], capture_output=True, text=True).stdout
    names = {Path(line.split()[0]).name for line in said.splitlines() if "=>" in line or line.strip().startswith(("/", "linux-vdso"))}
    known = {"linux-vdso.so.1", "libgcc_s.so.1", "libm.so.6", "libc.so.6"}
    checks.equal("shared libraries beyond glibc", set(), {name for name in names - known if not name.startswith("ld-linux")})


def container_script(cron_job: dict) -> str:
    container = container_of(cron_job)
    return " ".join(container["command"]) + "\n" + container["args"][0]


def read_manifests() -> tuple[list[dict], dict]:
    """All of them, and the cron job."""
    manifests = [manifest for file in MANIFESTS for manifest in yaml.safe_load_all(file.read_text())]
    (cron_job,) = (manifest for manifest in manifests if manifest["kind"] == "CronJob")
    return manifests, cron_job


def main() -> int:
    cvm, work = sys.argv[1], Path(sys.argv[2])
    checks = Checks()
    manifests, cron_job = read_manifests()
    schemas(checks, manifests, cron_job)
    beyond_schemas(checks, manifests, cron_job)
    exit_codes(checks, cvm, cron_job)
    cron_script(checks, cron_job, work)
    stopped(checks, work)
    libraries(checks, cvm)
    deploy_image.image(checks, container_script(cron_job))
    return checks.end("manifests")


if __name__ == "__main__":
    sys.exit(main())
