"""The DAGs under deploy/airflow parse, know which day they are of, and make a pod that Kubernetes takes.

usage: deploy_dags.py, with Airflow's settings in the environment

There is no cluster here: the pod is built by Airflow's provider and held against Kubernetes' schema, and its end is played by a
pod with that status, on which the provider's own code then decides. The waiting in between is left out.
"""

import datetime
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

# Without a connection and a cluster of their own, which is never asked anything, the provider would look for others'.
os.environ["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = "kubernetes://"
os.environ["KUBECONFIG"] = str(Path(os.environ["AIRFLOW_HOME"]) / "no-cluster.yaml")
Path(os.environ["KUBECONFIG"]).write_text("""
apiVersion: v1
kind: Config
current-context: none
contexts: [{ name: none, context: { cluster: none, user: none } }]
clusters: [{ name: none, cluster: { server: "https://no-cluster.invalid" } }]
users: [{ name: none, user: {} }]
""")

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from deploy import VERSIONS, Checks, fault
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s


def run_of(end: str | None, run_type="scheduled", run_after="2025-01-01T03:00+00:00"):
    instant = lambda text: None if text is None else datetime.datetime.fromisoformat(text)
    return SimpleNamespace(data_interval_end=instant(end), run_after=instant(run_after), run_type=run_type)


def days(checks: Checks):
    import cvm_scheduling

    def day(end, zone="Europe/Berlin", asked=None, **kwargs):
        return cvm_scheduling.as_of(run_of(end, **kwargs), {"as_of": asked}, zone)

    checks.equal("interval to 04:00 in Berlin", "2025-01-01", day("2025-01-01T03:00+00:00"))
    checks.equal("… to midnight, the day before in UTC", "2025-01-01", day("2024-12-31T23:00+00:00"))
    checks.equal("… to midnight in summer", "2025-07-02", day("2025-07-01T22:00+00:00"))
    checks.equal("… to a minute before", "2025-07-01", day("2025-07-01T21:59+00:00"))
    checks.equal("… to 04:00 in Auckland", "2025-01-02", day("2025-01-01T15:00+00:00", "Pacific/Auckland"))
    checks.equal("without an interval, the day of its asking", "2025-03-30", day(None, run_after="2025-03-29T23:30+00:00"))
    checks.equal("a day that was asked for", "2024-02-29", day("2025-01-01T03:00+00:00", asked="2024-02-29"))

    def lake(run_type, asked=None):
        run = run_of("2025-01-01T03:00+00:00", run_type)
        return cvm_scheduling.lake(run, {"as_of": asked}, "Europe/Berlin", "s3://lake/cvm/")

    checks.equal("a scheduled run publishes where readers look", "s3://lake/cvm/", lake("scheduled"))
    checks.equal("a backfill publishes beside", "s3://lake/cvm/as_of=2025-01-01", lake("backfill"))
    checks.equal("a day that was asked for is published beside", "s3://lake/cvm/as_of=2024-02-29", lake("manual", "2024-02-29"))


def pod_of(checks: Checks, task) -> k8s.V1Pod:
    task.render_template_fields({"dag_run": run_of("2025-01-01T03:00+00:00"), "params": {"as_of": None}})
    pod = task.build_pod_request_obj()
    manifest = ApiClient().sanitize_for_serialization(pod)
    for version in VERSIONS:
        checks.equal(f"the DAG's pod is of Kubernetes {version}", None, fault(manifest, version))
        # The honesty of the line above.
        broken = {**manifest, "spec": {**manifest["spec"], "volumes": [{"ephemeral": {}}]}}
        checks.equal(f"… which refuses a volume without a name: {fault(broken, version)}", True, fault(broken, version) is not None)
    base, sidecar = manifest["spec"]["containers"]
    env = {variable["name"]: variable.get("value") for variable in base["env"]}
    checks.equal("its command", ["cvm", "run", "pipelines/webshop.yml", "--as-of", "2025-01-01", "--log", "json"], base["command"] + base["args"])
    checks.equal("its lake", "s3://example-lake/cvm", env["LAKE"])
    checks.equal("its memory limit is 70 % of the container's", ("8Gi", "5734MiB"), (base["resources"]["limits"]["memory"], env["CVM_MEMORY_LIMIT"]))
    checks.equal("its report is where the sidecar looks", "/airflow/xcom/return.json", env["CVM_REPORT"])
    xcom = {"mountPath": "/airflow/xcom", "name": "xcom"}
    checks.equal("… and both see it", [True, True], [xcom in container["volumeMounts"] for container in (base, sidecar)])
    security = manifest["spec"]["securityContext"]
    checks.equal("it is not root, nor is the sidecar", (True, 65532), (security["runAsNonRoot"], security["runAsUser"]))
    return pod


def ended(pod: k8s.V1Pod, code: int | None, condition: str | None) -> k8s.V1Pod:
    """The pod as Kubernetes tells it once its container ended with a code, or was never there."""
    state = k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=code or 0))
    status = k8s.V1ContainerStatus(name="base", image="i", image_id="i", ready=False, restart_count=0, state=state)
    conditions = [k8s.V1PodCondition(type=condition, status="True")] if condition else None
    statuses = None if code is None else [status]
    status = k8s.V1PodStatus(phase="Succeeded" if code == 0 else "Failed", container_statuses=statuses, conditions=conditions)
    return k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="cvm", namespace="cvm", labels={}), spec=pod.spec, status=status)


def played(task, remote: k8s.V1Pod, deferred: bool):
    """What the task gives back, or the class of what it raises, when its pod ends like this."""
    manager = MagicMock()
    manager.await_pod_completion.return_value = remote
    manager.extract_xcom.return_value = '{"exit_code":0}'
    hook = MagicMock()
    hook.get_pod.return_value = remote
    outcome = "success" if remote.status.phase == "Succeeded" else "failed"
    event = {"status": outcome, "name": "cvm", "namespace": "cvm", "message": "as the trigger tells it"}
    waits = ("await_pod_start", "await_init_containers_completion", "await_pod_completion", "_write_logs", "process_pod_deletion")
    with ExitStack() as patches:
        given = {"client": MagicMock(), "pod_manager": manager, "hook": hook, "pod_request_obj": remote, "pod": None}
        patches.enter_context(patch.dict(task.__dict__, given))
        for name, value in {"get_or_create_pod": remote, "find_pod": remote, "is_istio_enabled": False, **dict.fromkeys(waits)}.items():
            patches.enter_context(patch.object(type(task), name, MagicMock(return_value=value)))
        try:
            context = {"ti": MagicMock()}
            return task.trigger_reentry(context, event) if deferred else task.execute_sync(context)
        except Exception as failure:
            return type(failure)


def pod_ends(checks: Checks, task, pod: k8s.V1Pod):
    """AirflowFailException is what Airflow does not retry; AirflowException is retried. Waited for by the worker, and deferred."""
    retried, given_up = AirflowException, AirflowFailException
    cases = [(0, None, {"exit_code": 0}), (4, None, retried), (5, None, retried), (6, None, retried)]
    cases += [(code, None, given_up) for code in (1, 2, 3, 127, 137)]
    cases += [(137, "DisruptionTarget", retried), (None, None, retried)]
    for deferred in (False, True):
        for code, condition, expected in cases:
            what = "no container" if code is None else f"exit code {code}" + (f" and {condition}" if condition else "")
            shown = expected.__name__ if isinstance(expected, type) else f"its report {expected}"
            how = "deferred, " if deferred else ""
            checks.equal(f"pod {how}with {what}: {shown}", expected, played(task, ended(pod, code, condition), deferred))


def main() -> int:
    checks = Checks()
    # As Airflow's own processor of DAGs does it: the folder is where DAGs import from.
    folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
    bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="dags-folder")
    checks.equal("import errors", {}, dict(bag.import_errors))
    checks.equal("DAGs", ["cvm_local", "cvm_pod"], sorted(bag.dags))
    for name, dag in sorted(bag.dags.items()):
        checks.equal(f"{name}: one run at a time, and none made up for", (1, False), (dag.max_active_runs, dag.catchup))
        checks.equal(f"{name}: retries", [3], [task.retries for task in dag.tasks])
    days(checks)
    task = bag.dags["cvm_pod"].get_task("run")
    pod_ends(checks, task, pod_of(checks, task))
    return checks.end("DAGs")


if __name__ == "__main__":
    sys.exit(main())
