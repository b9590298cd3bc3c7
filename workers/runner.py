"""The one sandbox runner of workflows: workers, tests and the replayer use the same."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

WORKFLOW_RUNNER = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_all_modules())
"""Workflow code itself is guarded against the clock, the dice and the network. What it imports is loaded once, which is
faster; `contracts/` and `domain/` are linted against the same things instead, and import no driver at all."""
