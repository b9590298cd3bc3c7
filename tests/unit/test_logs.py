import json
import logging

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
