import io
import json
import logging
import sys

import pytest
import structlog

from settings import Settings
from settings.logs import configure_logs


@pytest.fixture(autouse=True)
def own_logging() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("logger", [logging.getLogger("a.library"), structlog.get_logger("our.own")])
def test_exception_is_logged_without_what_it_says(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(Settings(database_url="postgresql://nowhere", log_json=True))
    try:
        try:
            raise KeyError("ada@example.com")
        except KeyError as error:
            raise ValueError("DETAIL: (email)=(ada@example.com)") from error
    except ValueError:
        logger.exception("it_failed")

    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "it_failed"
    assert line["level"] == "error"
    assert line["exception"].startswith("ValueError at ")
    assert " <- KeyError at " in line["exception"]
    assert "ada" not in json.dumps(line)


def test_an_event_is_one_line_with_its_fields_and_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(Settings(database_url="postgresql://nowhere", log_json=True, log_level="WARNING"))
    log = structlog.get_logger("our.own")
    log.info("not_told")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        log.warning("told", much="ä\n")

    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "told", "much": "ä\n", "request_id": "r-1", "logger": "our.own", "level": "warning"}


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError])
def test_nothing_fails_because_nobody_reads_what_is_logged(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logs(Settings(database_url="postgresql://nowhere"))
    tried = []

    class Closed(io.StringIO):
        def write(self, line: str) -> int:
            tried.append(line)
            raise error

    monkeypatch.setattr(sys, "stderr", Closed())
    structlog.get_logger("our.own").warning("told")
    assert len(tried) == 1
