"""Importing an uploaded file: a workflow that knows nothing but the import's id."""

from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from domain.merchandise import ImportState

SWEEP_IMPORTS = "imports.sweep"
"""The chore that begins imports which were lost between their upload and their start."""

FORGET_IMPORTS = "imports.forget"
"""The chore that deletes the files of imports that ended long ago."""


def import_workflow_id(import_id: UUID) -> str:
    """Name the workflow that imports a file."""
    return f"import-{import_id}"


@dataclass(frozen=True, slots=True)
class RunImport:
    """Name the import."""

    import_id: UUID


@dataclass(frozen=True, slots=True)
class ImportStanding:
    """How far an import is."""

    state: ImportState


class ImportActivities:
    """Takes an uploaded file over."""

    @activity.defn(name="imports.read")
    async def read(self, request: RunImport) -> ImportStanding:
        """Read the file, from where it was read to before, and validate every row. The catalogue is not touched."""
        raise NotImplementedError

    @activity.defn(name="imports.apply")
    async def apply(self, request: RunImport) -> ImportStanding:
        """Write what was read, in one transaction, or nothing."""
        raise NotImplementedError

    @activity.defn(name="imports.call_off")
    async def call_off(self, request: RunImport) -> ImportStanding:
        """End an import that has not ended: whoever still works on it can change nothing any more."""
        raise NotImplementedError
