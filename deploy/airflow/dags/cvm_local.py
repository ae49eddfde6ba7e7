"""Runs a pipeline each day on the Airflow worker, where `cvm` is installed."""

from __future__ import annotations

import json
import os

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from cvm_scheduling import daily, give_up_or_retry, patient

# Yours to change, here or in the environment of Airflow.
PROJECT = os.environ.get("CVM_PROJECT", "/srv/shop")
PIPELINE = os.environ.get("CVM_PIPELINE", "pipelines/webshop.yml")
TIMEZONE = os.environ.get("CVM_TIMEZONE", "Europe/Berlin")  # that of the pipeline file
LAKE = os.environ.get("CVM_LAKE_URL", "file:data/lake")
LAKE_VARIABLE = os.environ.get("CVM_LAKE_VARIABLE", "LAKE")  # what the pipeline file calls it: url: "${LAKE}"
MEMORY_LIMIT = os.environ.get("CVM_MEMORY_LIMIT", "4GiB")  # a worker runs other tasks beside this one


class CvmBashOperator(BashOperator):
    """A BashOperator that retries only what is transient. Its own means is `skip_on_exit_code`, which would hide failures."""

    def execute(self, context):
        try:
            return super().execute(context)
        except AirflowSkipException:
            raise
        except AirflowException as failure:
            process = self.subprocess_hook.sub_process
            give_up_or_retry(process.returncode if process else None, failure)


with DAG(
    dag_id="cvm_local",
    description="Customer-value tables as of each day, made on the worker",
    **daily(TIMEZONE),
):
    CvmBashOperator(
        task_id="run",
        cwd=PROJECT,
        bash_command=(
            f"exec cvm run {PIPELINE} --as-of {{{{ as_of(dag_run, params, '{TIMEZONE}') }}}} "
            f"--memory-limit {MEMORY_LIMIT} --log json --report -"
        ),
        env={LAKE_VARIABLE: f"{{{{ lake(dag_run, params, '{TIMEZONE}', '{LAKE}') }}}}"},
        append_env=True,
        # The last line that is printed is the report; as an object, so that later tasks can read its parts.
        output_processor=json.loads,
        **patient(),
    )
