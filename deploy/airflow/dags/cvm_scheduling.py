"""What the two DAGs of cvm share: when they run and of which day, where they publish, and which failures are worth another try."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import CronDataIntervalTimetable, Param
from airflow.sdk.exceptions import AirflowException, AirflowFailException

# What a second try can mend: another run was publishing (4), the store failed (5), the run was told to stop (6).
TRANSIENT = {4, 5, 6}
MEANING = {
    1: "a defect of cvm or of the machine: report it",
    2: "the command line or a project file is wrong: the log names the place and a remedy",
    3: "the data broke a rule, and nothing was published: the log names it",
    4: "another run published, or is publishing, to the same place",
    5: "the store failed, after its own retries",
    6: "terminated",
    126: "the command cannot be run",
    127: "no such command: is cvm installed where this task runs?",
    137: "killed, most likely for want of memory: raise the memory limit",
}


def daily(timezone: str) -> dict:
    """What a DAG of one run a day is made with."""
    return {
        # Four hours after midnight, so that yesterday's data has come. The data interval ends on the as-of day.
        "schedule": CronDataIntervalTimetable("0 4 * * *", timezone=timezone),
        "start_date": pendulum.datetime(2025, 1, 1, tz=timezone),
        # Each run reads all days up to its own. After a pause of three days one run makes up for all three.
        "catchup": False,
        # Two runs would race for one target, and cvm would end one of them with 4.
        "max_active_runs": 1,
        "params": {"as_of": Param(None, type=["null", "string"], format="date", description="A day of the past, published beside")},
        "user_defined_macros": {"as_of": as_of, "lake": lake},
        "tags": ["cvm"],
    }


def patient() -> dict:
    """What the task of such a DAG is made with: three more tries, further and further apart."""
    return {
        # Backfills have a limit of runs of their own; this one holds for all together.
        "max_active_tis_per_dag": 1,
        "retries": 3,
        "retry_delay": timedelta(seconds=int(os.environ.get("CVM_RETRY_SECONDS", "300"))),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timedelta(hours=4),
    }


def as_of(dag_run, params, timezone: str) -> str:
    """The day for `--as-of`: the first day that the run does NOT see.

    A daily run over the data of day D begins when D has ended, with a data interval that ends on D + 1. Both ends are
    exclusive, so the day of the interval's end is the as-of day as it stands: D + 1, and the last day seen is D.

    - Not `{{ ds }}`: that is D for timetables with data intervals and D + 1 for Airflow 3's trigger timetables, so the same
      template would lose a day or not by how the schedule is written. The interval ends on D + 1 under both.
    - Not today's date: a retry after midnight, or a run cleared a week later, would see other days than the first try.
    - In the pipeline's time zone, which says what a day is. Airflow tells instants in UTC, and midnight in Berlin is
      still the day before in UTC.

    A run without a data interval, triggered by hand or by an asset, is of the day on which it was asked for.
    """
    if params.get("as_of"):
        return params["as_of"]
    end = dag_run.data_interval_end or dag_run.run_after
    return pendulum.instance(end).in_timezone(timezone).to_date_string()


def lake(dag_run, params, timezone: str, url: str) -> str:
    """Where to publish. A run of a day of the past, a backfill or one asked for by hand, has a folder of its own.

    A run replaces what the one before it published. After a backfill of March, dashboards would show March as today.
    """
    if dag_run.run_type == "backfill" or params.get("as_of"):
        return f"{url.rstrip('/')}/as_of={as_of(dag_run, params, timezone)}"
    return url


def give_up_or_retry(code: int | None, failure: AirflowException):
    """Raises the failure again where a retry may help; else one that Airflow does not retry.

    `code` is cvm's exit code, or None where the task failed without one: the pod was evicted, its image did not come, a
    node was lost. That says nothing against another try.
    """
    if code is None or code in TRANSIENT:
        raise failure
    raise AirflowFailException(f"cvm ended with {code}: {MEANING.get(code, 'unknown')}. Not retried.") from failure
