"""Orders that began with an earlier release go on with this one."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from contracts.converter import DATA_CONVERTER
from tests.support.stories import STORIES
from workers.runner import WORKFLOW_RUNNER
from workflows.order import OrderWorkflow

HISTORIES = {path.stem: path.read_text() for path in (Path(__file__).parent / "histories").glob("*.json")}


def test_every_story_has_a_recorded_history() -> None:
    assert set(HISTORIES) >= set(STORIES)


@pytest.mark.parametrize("name", sorted(HISTORIES))
async def test_recorded_history_replays(name: str) -> None:
    history = WorkflowHistory.from_json(f"order-{name}", HISTORIES[name])
    replayer = Replayer(workflows=[OrderWorkflow], workflow_runner=WORKFLOW_RUNNER, data_converter=DATA_CONVERTER)

    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)

    assert result.replay_failure is None
    assert len(history.events) > 5
