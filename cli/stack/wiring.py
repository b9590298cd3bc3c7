"""Where everything of one stack is, and the environment that makes a program talk to it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from cli.stack.folder import DataFolder
from cli.stack.ports import HOST

DATABASE = "everorder"
SANDBOX_DATABASE = "everorder_sandbox"
ROLE = "everorder"

_PAYMENT_METHODS = "card, bank_transfer, cash_on_delivery"
"""Whoever tries a local stack out may pay in every way. The environment may say otherwise."""

_SMS_ACCOUNT = "ACeverorder"

_RATE_LIMIT_SCALE = "100"
"""Whoever tries a local stack out has one address, and may be a whole sale. The environment may say otherwise."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The ports and secrets of one stack, and all addresses that follow from them."""

    folder: DataFolder
    api: int
    temporal: int
    ui: int
    postgres: int
    sandbox: int
    mail: int
    sms: int

    @property
    def api_url(self) -> str:
        """Address the REST API."""
        return f"http://{HOST}:{self.api}"

    @property
    def ui_url(self) -> str:
        """Address Temporal's Web UI."""
        return f"http://{HOST}:{self.ui}"

    @property
    def mailbox_url(self) -> str:
        """Address the page that shows the mails and text messages."""
        return f"{self.api_url}/dev/mailbox"

    @property
    def sandbox_url(self) -> str:
        """Address the payment sandbox."""
        return f"http://{HOST}:{self.sandbox}"

    @property
    def webhook_url(self) -> str:
        """Address where the payment sandbox sends its events."""
        return f"{self.api_url}/v1/webhooks/stripe"

    @property
    def temporal_address(self) -> str:
        """Name host and port of Temporal's frontend."""
        return f"{HOST}:{self.temporal}"

    @property
    def database_password(self) -> str:
        """Return the password of the database's owner."""
        return self.folder.secret("postgres-password")

    @property
    def service_token(self) -> str:
        """Return the bearer token that has every staff scope."""
        return self.folder.secret("service-token")

    @property
    def secret(self) -> str:
        """Return what keys are encrypted with and links are made of."""
        return self.folder.secret("secret")

    def database_url(self, database: str = DATABASE) -> str:
        """Address a database of the stack's PostgreSQL."""
        return f"postgresql://{ROLE}:{self.database_password}@{HOST}:{self.postgres}/{database}"

    def variables(self) -> dict[str, str]:
        """Name what a program must be told to be part of this stack."""
        return {
            "DATABASE_URL": self.database_url(),
            "EVERORDER_SANDBOX_DATABASE_URL": self.database_url(SANDBOX_DATABASE),
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": "default",
            "EVERORDER_STRIPE_API_BASE": self.sandbox_url,
            "EVERORDER_STRIPE_MULTICAPTURE": "true",
            "EVERORDER_STRIPE_WEBHOOK_SECRET": self.folder.secret("stripe-webhook-secret"),
            "EVERORDER_SMTP_HOST": HOST,
            "EVERORDER_SMTP_PORT": str(self.mail),
            "EVERORDER_SMTP_USERNAME": "",
            "EVERORDER_SMTP_STARTTLS": "false",
            "EVERORDER_SMS_ACCOUNT": _SMS_ACCOUNT,
            "EVERORDER_SMS_TOKEN": self.folder.secret("sms-token"),
            "EVERORDER_SMS_FROM": "Everorder",
            "EVERORDER_SMS_API_BASE": f"http://{HOST}:{self.sms}",
            "EVERORDER_METRICS_ADDRESS": "",  # one for all workers of this machine is none
            "EVERORDER_MAILBOX_DIR": str(self.folder.maildir),
            "EVERORDER_SECRET": self.secret,
            "EVERORDER_SERVICE_TOKEN": self.service_token,
            "EVERORDER_PAYMENT_METHODS": os.environ.get("EVERORDER_PAYMENT_METHODS", _PAYMENT_METHODS),
            "EVERORDER_RATE_LIMIT_SCALE": os.environ.get("EVERORDER_RATE_LIMIT_SCALE", _RATE_LIMIT_SCALE),
        }

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a child: the user's own, but for the wiring."""
        return {"PYTHONUNBUFFERED": "1", **os.environ, **self.variables()}

    def description(self, processes: Mapping[str, int]) -> dict[str, object]:
        """Describe the running stack as `stack.json` does."""
        return {
            "api_url": self.api_url,
            "database_url": self.database_url(),
            "sandbox_database_url": self.database_url(SANDBOX_DATABASE),
            "temporal_address": self.temporal_address,
            "ui_url": self.ui_url,
            "mailbox_url": self.mailbox_url,
            "sandbox_url": self.sandbox_url,
            "service_token": self.service_token,
            "processes": dict(processes),
        }
