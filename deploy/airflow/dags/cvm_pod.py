"""Runs a pipeline each day in a pod of its own, from an image that holds cvm and the project."""

from __future__ import annotations

import os

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from cvm_scheduling import daily, give_up_or_retry, patient
from kubernetes.client import models as k8s

# Yours to change, here or in the environment of Airflow.
IMAGE = os.environ.get("CVM_IMAGE", "registry.example.com/shop:2025-01-01")  # deploy/kubernetes/project.Dockerfile
NAMESPACE = os.environ.get("CVM_NAMESPACE", "cvm")
PIPELINE = os.environ.get("CVM_PIPELINE", "pipelines/webshop.yml")
TIMEZONE = os.environ.get("CVM_TIMEZONE", "Europe/Berlin")  # that of the pipeline file
LAKE = os.environ.get("CVM_LAKE_URL", "s3://example-lake/cvm")
LAKE_VARIABLE = os.environ.get("CVM_LAKE_VARIABLE", "LAKE")  # what the pipeline file calls it: url: "${LAKE}"
MEMORY_GIB = int(os.environ.get("CVM_MEMORY_GIB", "8"))


class CvmPodOperator(KubernetesPodOperator):
    """A KubernetesPodOperator that retries only what is transient, deferred or not: both end in `cleanup`."""

    def cleanup(self, pod, remote_pod, **kwargs):
        try:
            super().cleanup(pod=pod, remote_pod=remote_pod, **kwargs)
        except AirflowSkipException:
            raise
        except AirflowException as failure:
            give_up_or_retry(None if disrupted(remote_pod) else exit_code(remote_pod, self.base_container_name), failure)


def exit_code(pod, container: str) -> int | None:
    """With what a container of a pod ended, where it did."""
    for status in (pod.status.container_statuses if pod and pod.status else None) or []:
        if status.name == container and status.state and status.state.terminated:
            return status.state.terminated.exit_code
    return None


def disrupted(pod) -> bool:
    """Whether Kubernetes took the pod away: a drained node, a preemption. Its exit code then says nothing of cvm."""
    conditions = (pod.status.conditions if pod and pod.status else None) or []
    return any(condition.type == "DisruptionTarget" and condition.status == "True" for condition in conditions)


with DAG(
    dag_id="cvm_pod",
    description="Customer-value tables as of each day, made in a pod",
    **daily(TIMEZONE),
):
    CvmPodOperator(
        task_id="run",
        name="cvm",
        namespace=NAMESPACE,
        image=IMAGE,
        cmds=["cvm", "run"],
        arguments=[PIPELINE, "--as-of", f"{{{{ as_of(dag_run, params, '{TIMEZONE}') }}}}", "--log", "json"],
        env_vars={
            LAKE_VARIABLE: f"{{{{ lake(dag_run, params, '{TIMEZONE}', '{LAKE}') }}}}",
            # 70 % of the pod's: what operators hold is most of what a run needs, and not all.
            "CVM_MEMORY_LIMIT": f"{MEMORY_GIB * 1024 * 7 // 10}MiB",
            "CVM_WORK_FOLDER": "/work",
            "TMPDIR": "/work",
            # The volume goes with the pod, so what is kept there would serve nobody.
            "CVM_CACHE_SIZE": "0",
            # Airflow's sidecar takes it from here to the task's XCom.
            "CVM_REPORT": "/airflow/xcom/return.json",
        },
        # Where the raw data lies, and the keys of stores where no workload identity stands in for them.
        env_from=[
            k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name="cvm", optional=True)),
            k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="cvm-stores", optional=True)),
        ],
        do_xcom_push=True,
        service_account_name="cvm",
        automount_service_account_token=False,
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "2", "memory": f"{MEMORY_GIB}Gi"},
            limits={"cpu": "2", "memory": f"{MEMORY_GIB}Gi"},
        ),
        volumes=[
            k8s.V1Volume(
                name="work",
                ephemeral=k8s.V1EphemeralVolumeSource(
                    volume_claim_template=k8s.V1PersistentVolumeClaimTemplate(
                        spec=k8s.V1PersistentVolumeClaimSpec(
                            access_modes=["ReadWriteOnce"],
                            resources=k8s.V1VolumeResourceRequirements(requests={"storage": "50Gi"}),
                        )
                    )
                ),
            )
        ],
        volume_mounts=[k8s.V1VolumeMount(name="work", mount_path="/work")],
        # By number for the whole pod: Airflow's sidecar would else be root, which runAsNonRoot refuses.
        security_context=k8s.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=65532,
            run_as_group=65532,
            fs_group=65532,
            seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
        ),
        container_security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        # A run that is told to stop removes what it wrote before it goes.
        termination_grace_period=60,
        **patient(),
    )
