import asyncio

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError

from clients.connection import connect
from contracts.failures import refusal
from settings import Settings, SettingsError
from tests.support.alerts import of_workers
from tests.support.ports import free_port
from tests.support.temporal import running_temporal
from workers.metrics import FAILURES, open_runtime
from workers.wiring import QueueWork, create_worker

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

    from temporalio.common import RetryPolicy

QUEUE = "counted"
SLOTS = "temporal_worker_task_slots_available"


@activity.defn(name="tests.count")
async def count(how: str) -> None:
    if how == "refuse":
        raise refusal("step_failed", "It can not be done.")
    if how == "fail":
        raise ConnectionResetError("ada@example.com hung up")


@workflow.defn(name="Counted")
class CountedWorkflow:
    @workflow.run
    async def run(self, how: str) -> None:
        await workflow.execute_activity(
            "tests.count",
            how,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(maximum_attempts=2),
        )


@workflow.defn(name="Broken")
class BrokenWorkflow:
    """Its code fails, as a bug's would: the server tries its task again for ever."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("a bug")


def settings_of(address: str, metrics: str) -> Settings:
    return Settings.model_validate(
        {"DATABASE_URL": "postgresql://nowhere/x", "TEMPORAL_ADDRESS": address, "metrics_address": metrics}
    )


async def test_a_worker_tells_its_slots_its_tasks_and_what_failed_by_kind_and_no_words() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with running_temporal() as environment:
        settings = settings_of(environment.client.service_client.config.target_host, address)
        client = await connect(settings, runtime=open_runtime(settings))
        async with create_worker(client, QUEUE, QueueWork([count], [CountedWorkflow, BrokenWorkflow])):
            for number, how in enumerate(("work", "work", "refuse", "fail")):
                handle = await client.start_workflow("Counted", how, id=f"counted-{number}", task_queue=QUEUE)
                if how == "work":
                    await handle.result()
                else:
                    with pytest.raises(WorkflowFailureError):
                        await handle.result()
            broken = await client.start_workflow("Broken", id="broken", task_queue=QUEUE)
            text = await scraped(address, "temporal_workflow_task_execution_failed_total")
            await broken.terminate()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    failures = [
        (sample.labels["error"], sample.value)
        for sample in samples
        if sample.name == f"{FAILURES}_total" and sample.labels["activity_type"] == "tests.count"
    ]
    assert sorted(failures) == [("ConnectionResetError", 2), ("everorder.step_failed", 1)]
    slots = {one.labels["worker_type"]: one.value for one in samples if one.name == SLOTS}
    assert slots["ActivityWorker"] == 50
    labels = {one.name: set(one.labels) for one in samples if one.labels.get("task_queue") == QUEUE}
    assert {name: wanted - labels[name] for name, wanted in of_workers().items() if wanted - labels[name]} == {}
    assert "ada" not in text


async def scraped(address: str, until: str) -> str:
    """Ask until something is told."""
    async with httpx2.AsyncClient(trust_env=False) as scraper, asyncio.timeout(10):
        while until not in (text := (await scraper.get(f"http://{address}/metrics")).text):  # noqa: ASYNC110 - of the library
            await asyncio.sleep(0.05)
    return text


def test_no_worker_tells_anything_unless_it_is_told_where() -> None:
    assert open_runtime(settings_of("127.0.0.1:1", "")) is None


@pytest.mark.parametrize("address", ["nonsense", "localhost:9464", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_one_line(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^EVERORDER_METRICS_ADDRESS: .*address"):
        open_runtime(settings_of("127.0.0.1:1", address))


def test_two_workers_can_not_have_one_address() -> None:
    settings = settings_of("127.0.0.1:1", f"127.0.0.1:{free_port()}")
    first = open_runtime(settings)
    with pytest.raises(SettingsError, match=r"^EVERORDER_METRICS_ADDRESS: .*in use"):
        open_runtime(settings)
    assert first is not None
