import os
from pathlib import Path

import pytest

from cli.stack import json_file
from cli.stack.errors import StackError
from cli.stack.folder import DataFolder
from cli.stack.wiring import Wiring


def folder_in(path: Path) -> DataFolder:
    folder = DataFolder(path / "data")
    with folder.locked():
        return folder


def wiring_of(folder: DataFolder) -> Wiring:
    return Wiring(folder, api=8000, temporal=7233, ui=8233, postgres=25000, sandbox=25001, mail=25002, sms=25003)


def test_description_has_exactly_what_the_contract_promises(tmp_path: Path) -> None:
    wiring = wiring_of(folder_in(tmp_path))
    description = wiring.description({"postgres": 11, "api": 12})
    password, token = wiring.database_password, wiring.service_token
    assert description == {
        "api_url": "http://127.0.0.1:8000",
        "database_url": f"postgresql://everorder:{password}@127.0.0.1:25000/everorder",
        "sandbox_database_url": f"postgresql://everorder:{password}@127.0.0.1:25000/everorder_sandbox",
        "temporal_address": "127.0.0.1:7233",
        "ui_url": "http://127.0.0.1:8233",
        "mailbox_url": "http://127.0.0.1:8000/dev/mailbox",
        "sandbox_url": wiring.sandbox_url,
        "service_token": token,
        "processes": {"postgres": 11, "api": 12},
    }


def test_json_is_replaced_whole_and_readable_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    json_file.write(path, {"processes": {"api": 1}})
    with path.open() as earlier:
        json_file.write(path, {"processes": {"api": 2}})
        assert '"api": 1' in earlier.read()
    assert json_file.read(path) == {"processes": {"api": 2}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_missing_json_is_empty(tmp_path: Path) -> None:
    assert json_file.read(tmp_path / "stack.json") == {}


def test_secret_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    first = folder.secret("service-token")
    assert len(first) >= 32
    assert folder.secret("service-token") == first
    assert folder.secret("postgres-password") != first
    assert (folder.path / "service-token").stat().st_mode & 0o777 == 0o600


def test_second_stack_in_a_folder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    refused = pytest.raises(StackError, match=f"already running in .*/data, pid {os.getpid()}$")
    with folder.locked(), refused, folder.locked():
        pass
    with folder.locked():
        pass


def test_folder_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = DataFolder(tmp_path / "file" / "data")
    with (
        pytest.raises(StackError, match="/file/data can not be written: Not a directory; name another"),
        folder.locked(),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    folder = DataFolder(tmp_path / "data")
    with pytest.raises(StackError, match="can not be written: Permission denied; name another"), folder.locked():
        pass
