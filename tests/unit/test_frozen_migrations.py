import hashlib
from pathlib import Path

import pytest

from cli import check
from cli.check import FailedError
from migrations import frozen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations that have landed."""
    versions = tmp_path / "versions"
    versions.mkdir()
    lines = []
    for name in ("0001_first.py", "0002_second.py"):
        (versions / name).write_text(f'revision = "{name[:4]}"\n')
        digest = hashlib.sha256((versions / name).read_bytes()).hexdigest()
        lines.append(f"{digest}  migrations/versions/{name}\n")
    (tmp_path / "FROZEN").write_text("".join(lines))
    return tmp_path


def test_migrations_as_they_landed_are_frozen(folder: Path) -> None:
    assert frozen.thawed(folder) == []


def test_edited_migration_is_named_and_told_what_to_do(folder: Path) -> None:
    (folder / "versions" / "0001_first.py").write_text('revision = "0001"  # and a thought\n')
    [said] = frozen.thawed(folder)
    assert said == (
        "migrations/versions/0001_first.py has landed and was edited or removed since:"
        " put it back, and add a migration of your own"
    )


def test_renamed_migration_is_missing_under_its_old_name_and_not_frozen_under_its_new_one(folder: Path) -> None:
    (folder / "versions" / "0002_second.py").rename(folder / "versions" / "0002_better_name.py")
    better, second = frozen.thawed(folder)
    assert better == (
        "migrations/versions/0002_better_name.py is not frozen: when it is as it shall be,"
        " `sha256sum migrations/versions/0002_better_name.py >> migrations/FROZEN`"
    )
    assert second.startswith("migrations/versions/0002_second.py has landed and was edited or removed since")


def test_thawed_migration_fails_the_check_in_one_sentence(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "versions" / "0002_second.py").write_text("")
    thawed = frozen.thawed(folder)
    monkeypatch.setattr(frozen, "thawed", lambda: thawed)
    with pytest.raises(FailedError, match=r"^migrations/versions/0002_second\.py has landed and was edited"):
        check.unedited()
