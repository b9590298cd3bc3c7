import json
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.retail.target import Shop, database_url, shop


def running(folder: Path) -> Path:
    stack = {"api_url": "http://127.0.0.1:1", "database_url": "postgresql:///x", "service_token": "s", "processes": {}}
    (folder / "stack.json").write_text(json.dumps(stack))
    return folder


def test_what_is_not_told_is_asked_of_the_stack_in_the_folder(tmp_path: Path) -> None:
    folder = running(tmp_path)
    assert shop("", "", folder) == Shop("http://127.0.0.1:1", "s")
    assert shop("https://shop.example", "", folder) == Shop("https://shop.example", "s")
    assert database_url(folder) == "postgresql:///x"


def test_who_is_told_everything_needs_no_stack(tmp_path: Path) -> None:
    assert shop("https://shop.example", "secret", tmp_path) == Shop("https://shop.example", "secret")


def test_a_folder_without_a_stack_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^no stack runs in .*: start one with `everorder dev`"):
        database_url(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"api_url": null}'])
def test_a_stack_file_that_says_nothing_useful_is_one_clear_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    with pytest.raises(CommandError, match=r"stack"):
        shop("", "", tmp_path)
