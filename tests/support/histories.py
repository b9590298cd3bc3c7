"""Everything that a history says, in clear text."""

import base64
import json
from typing import Any

from temporalio.client import WorkflowHistory


def clear_text(history: WorkflowHistory) -> str:
    """Return a history as JSON with every payload decoded."""
    return json.dumps(_decoded(json.loads(history.to_json())))


def _decoded(value: Any) -> Any:
    match value:
        case dict():
            return {key: _decoded(part) for key, part in value.items()}
        case list():
            return [_decoded(part) for part in value]
        case str():
            return _plain(value)
        case _:
            return value


def _plain(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text
