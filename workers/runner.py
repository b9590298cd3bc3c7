"""The one sandbox runner of workflows: workers, tests and the replayer use the same."""

from collections.abc import Callable
from dataclasses import dataclass

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info


class ContextFreeInstance(WorkflowInstance):
    """A sandboxed workflow whose payloads are converted alike wherever they stand.

    The SDK asks about each payload three times in which context it stands, and the sandbox is entered for each answer:
    a fifth of a worker's CPU. `contracts.converter` takes no context and stores nothing outside, so there is none.
    """

    def __init__(self, sandboxed: WorkflowInstance, went_on: Callable[[], None]) -> None:
        self._sandboxed = sandboxed
        self._went_on = went_on

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Let the workflow go on, in its sandbox."""
        completion = self._sandboxed.activate(act)
        self._went_on()
        return completion

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:  # noqa: ARG002 - the same for all
        """Name no context."""
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002 - as above
        """Name no context."""
        return StorageDriverStoreContext()

    def get_info(self) -> Info:
        """Tell what the workflow is."""
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        """Tell where the workflow runs, so that a deadlock can be ended."""
        return self._sandboxed.get_thread_id()


def _nobody_listens() -> None:
    return None


@dataclass(frozen=True)
class ContextFreeRunner(SandboxedWorkflowRunner):
    """Runs workflows in the sandbox, and asks nothing of it that nobody uses."""

    went_on: Callable[[], None] = _nobody_listens
    """Called, in any thread, when a workflow has gone on and rests again."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make the sandbox of one workflow."""
        return ContextFreeInstance(super().create_instance(det), self.went_on)


WORKFLOW_RUNNER = ContextFreeRunner(restrictions=SandboxRestrictions.default.with_passthrough_all_modules())
"""Workflow code itself is guarded against the clock, the dice and the network. What it imports is loaded once, which is
faster; `contracts/` and `domain/` are linted against the same things instead, and import no driver at all."""
