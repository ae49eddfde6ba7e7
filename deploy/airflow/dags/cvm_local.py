"""Runs a pipeline each day on the Airflow worker, where `cvm` and `cvm-report` are installed."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from cvm_scheduling import as_of, give_up_or_retry, lake

# Yours to change, here or in the environment of Airflow.
PROJECT = os.environ.get("CVM_PROJECT", "/srv/shop")
PIPELINE = os.environ.get("CVM_PIPELINE", "pipelines/webshop.yml")
TIMEZONE = os.environ.get("CVM_TIMEZONE", "Europe/Berlin")  # that of the pipeline file
LAKE = os.environ.get("CVM_LAKE_URL", "file:data/lake")
LAKE_VARIABLE = os.environ.get("CVM_LAKE_VARIABLE", "LAKE")  # what the pipeline file calls it: url: "${LAKE}"
MEMORY_LIMIT = os.environ.get("CVM_MEMORY_LIMIT", "4GiB")  # a worker runs other tasks beside this one
RETRY_DELAY = timedelta(seconds=int(os.environ.get("CVM_RETRY_SECONDS", "300")))


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
    # Four hours after midnight, so that yesterday's data has come. The data interval ends on the as-of day.
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone=TIMEZONE),
    start_date=pendulum.datetime(2025, 1, 1, tz=TIMEZONE),
    # Each run reads all days up to its own. After a pause of three days one run makes up for all three.
    catchup=False,
    # Two runs would race for one target, and cvm would end one of them with 4.
    max_active_runs=1,
    params={"as_of": Param(None, type=["null", "string"], format="date", description="A day of the past, published beside")},
    user_defined_macros={"as_of": as_of, "lake": lake},
    tags=["cvm"],
):
    CvmBashOperator(
        task_id="run",
        cwd=PROJECT,
        bash_command=f"exec cvm-report {PIPELINE} --as-of {{{{ as_of(dag_run, params, '{TIMEZONE}') }}}} --memory-limit {MEMORY_LIMIT}",
        env={LAKE_VARIABLE: f"{{{{ lake(dag_run, params, '{TIMEZONE}', '{LAKE}') }}}}"},
        append_env=True,
        # The last line that is printed is the report; as an object, so that later tasks can read its parts.
        output_processor=json.loads,
        # Backfills have a limit of runs of their own; this one holds for all together.
        max_active_tis_per_dag=1,
        retries=3,
        retry_delay=RETRY_DELAY,
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(hours=1),
        execution_timeout=timedelta(hours=4),
    )
