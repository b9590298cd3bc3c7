"""Small files that other programs read while we write them: always whole, and for their owner only."""

import json
import os
import tempfile
from pathlib import Path


def write(path: Path, content: object) -> None:
    """Replace a JSON file in one step, with mode 0600."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    Path(temporary).replace(path)


def read(path: Path) -> dict[str, object]:
    """Read a JSON object; a missing file is an empty one."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content if isinstance(content, dict) else {}
