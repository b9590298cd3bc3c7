"""Every setting of Everorder, in one place: environment variables, or a `.env` file beside the program."""

from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network

from pydantic import AliasChoices, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.captures import CapturePolicy
from domain.messages import Channel
from domain.payment_methods import PaymentWay
from domain.retry_schedule import RetrySchedule


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line for the person who starts the program."""


class Settings(BaseSettings):
    """What the environment decides. `docs/configuration.md` is printed from this class."""

    model_config = SettingsConfigDict(env_prefix="EVERORDER_", env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field(
        validation_alias=AliasChoices("DATABASE_URL", "EVERORDER_DATABASE_URL"),
        description="PostgreSQL 18 or newer, as `postgresql://user:password@host:port/name`.",
    )
    temporal_address: str = Field(
        default="127.0.0.1:7233",
        validation_alias=AliasChoices("TEMPORAL_ADDRESS", "EVERORDER_TEMPORAL_ADDRESS"),
        description="Host and port of the Temporal frontend.",
    )
    temporal_namespace: str = Field(
        default="default",
        validation_alias=AliasChoices("TEMPORAL_NAMESPACE", "EVERORDER_TEMPORAL_NAMESPACE"),
        description="Temporal namespace that holds the orders.",
    )
    temporal_api_key: str = Field(
        default="",
        validation_alias=AliasChoices("TEMPORAL_API_KEY", "EVERORDER_TEMPORAL_API_KEY"),
        description="API key of Temporal Cloud; it brings TLS with it. Empty: none.",
    )
    temporal_tls: bool = Field(default=False, description="Speak TLS to Temporal, by the system's authorities.")
    temporal_tls_ca: str = Field(default="", description="File of the authority that signed Temporal's certificate.")
    temporal_tls_cert: str = Field(default="", description="File of our certificate, for mutual TLS.")
    temporal_tls_key: str = Field(default="", description="File of our certificate's private key.")
    database_pool_size: int = Field(
        default=10,
        ge=1,
        le=500,
        description="Connections a process keeps at most; an API process as many again for reads of the catalogue.",
    )
    worker_patience: float = Field(
        default=120.0,
        ge=0,
        le=3_600,
        description="Seconds after which a worker ends itself, to be started again, that has work waiting and brings "
        "nothing to an end. Keep it above a minute, for which it may ask Temporal in vain; 0: never.",
    )

    currency: str = Field(default="GBP", pattern="^[A-Z]{3}$", description="Currency of a cart that names none.")
    checkout_wait: float = Field(
        default=15.0,
        ge=0,
        le=60,
        description="Seconds that a checkout waits for its outcome before it answers 202.",
    )
    hold_minutes: int = Field(
        default=30, ge=1, le=10_080, description="Minutes that stock stays held while a payment is missing."
    )
    payment_retry_hours: str = Field(
        default="1, 6, 24, 72",
        description="Hours after which a payment is tried again that may pass later, for buyers who ask for it at "
        "checkout; each counts from the decline before it. Empty: nobody is offered it.",
    )
    payment_retry_holds_stock: bool = Field(
        default=True, description="Keep the stock held between these retries; else it is held again before each."
    )
    secret: str = Field(
        min_length=32,
        description="Encrypts the keys that tokens are signed with, and makes the links in mails. The same everywhere.",
    )
    capture: CapturePolicy = Field(
        default=CapturePolicy.PLACEMENT,
        description="When an order's money is taken: at its `placement`, or with each `shipment` its share.",
    )
    close_after_days: int = Field(
        default=30, ge=0, le=3_650, description="Days after its delivery that an order stays open for returns."
    )
    support_refund_limit: int = Field(
        default=5_000,
        ge=0,
        description="What may be refunded of one order with the scope `refunds:limited`, in minor units.",
    )
    service_token: str = Field(
        default="",
        description="Bearer token of programs, with every staff scope. Empty: none is accepted.",
    )
    token_issuer: str = Field(default="everorder", min_length=1, description="`iss` of access tokens.")
    token_audience: str = Field(default="everorder", min_length=1, description="`aud` of access tokens.")
    password_memory_kib: int = Field(
        default=19_456, ge=8, le=4_194_304, description="Memory that Argon2id takes for one password, in KiB."
    )
    password_passes: int = Field(default=2, ge=1, le=100, description="Passes of Argon2id over that memory.")
    login_tries_account: int = Field(
        default=10, ge=1, le=1_000_000, description="Log-ins that may fail in a row for one account; one a minute more."
    )
    login_tries_address: int = Field(
        default=100, ge=1, le=1_000_000, description="Log-ins at once from one address; one a second more."
    )
    event_streams: int = Field(
        default=1_000, ge=0, le=100_000, description="Streams of orders' events that an API process keeps open at most."
    )
    event_stream_seconds: float = Field(
        default=300.0,
        gt=0,
        le=3_600,
        description="Seconds after which such a stream ends; whoever comes back misses nothing.",
    )
    idempotency_lock: float = Field(
        default=30.0,
        gt=0,
        le=300,
        description="Seconds after which a request whose process died no longer keeps its `Idempotency-Key` to itself.",
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1_024, description="Largest request body that is read.")
    max_import_bytes: int = Field(
        default=33_554_432, ge=1_024, description="Largest product file that can be uploaded; commands take any size."
    )
    import_retention_days: int = Field(
        default=7, ge=0, le=3_650, description="Days that an uploaded file and its refused rows are kept after its end."
    )
    trusted_proxies: str = Field(
        default="",
        description="Networks of proxies whose `X-Forwarded-For` is believed, separated by commas. Empty: none is.",
    )
    request_timeout: float = Field(
        default=75.0, gt=0, le=600, description="Seconds until an answer has to begin; then it is 503."
    )
    upload_timeout: float = Field(default=20.0, gt=0, le=600, description="Seconds that a request body may take.")
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="Seconds that a stopping API process goes on as before while `/readyz` says that it stops.",
    )
    rate_limit_scale: float = Field(
        default=1.0, ge=0, description="Multiplies the table of rate limits (docs/api.md); 0: nobody is limited."
    )
    redis_url: str = Field(
        default="",
        pattern=r"^(rediss?://.*)?$",
        description="Redis in which all API processes count together, as `redis://host:6379`; empty: each by itself.",
    )
    cors_origins: str = Field(
        default="", description="Origins whose scripts may call the API, separated by commas. Empty: none."
    )
    allowed_hosts: str = Field(
        default="", description="Names in the Host header that are answered, separated by commas. Empty: any."
    )
    hsts_seconds: int = Field(
        default=0, ge=0, description="Time for which browsers are told to insist on TLS (HSTS); 0: they are not."
    )

    payment_methods: str = Field(
        default="card",
        description="Ways to pay that are offered, separated by commas: `card`, `bank_transfer`, `cash_on_delivery`. "
        "What was begun in a way that is offered no more goes on in it.",
    )
    bank_transfer_days: float = Field(
        default=7.0, gt=0, le=60, description="Days that a transfer is awaited, with the stock held for it."
    )
    bank_transfer_details: str = Field(
        default="", max_length=500, description="The shop's bank account, as buyers are told who pay by transfer."
    )
    installation: str = Field(
        default="",
        max_length=100,
        pattern=r"^[\x21-\x7e]*$",
        description="Name by which this installation knows its own payments at a provider that others use too. Empty: "
        "the id that its database was given. A copy of a database that lives beside it needs a name.",
    )
    stripe_api_key: str = Field(default="sk_test_everorder", description="Secret key of the payment provider.")
    stripe_api_base: str = Field(
        default="", description="Address of the payment provider; empty is Stripe itself, else the sandbox."
    )
    stripe_timeout: float = Field(default=5.0, gt=0, le=6, description="Seconds that one provider call may take.")

    stripe_multicapture: bool = Field(
        default=False,
        description="Ask for payments that can be captured in parts, for capture at shipment. Stripe allows it some "
        "accounts only, and takes no payment of the others that ask for it.",
    )
    stripe_webhook_secret: str = Field(
        default="",
        description="Secret that events of the payment provider are signed with; several, while it is being changed, "
        "with commas between them. Empty: none are taken.",
    )

    reconciliation_grace: float = Field(
        default=600.0,
        ge=1,
        le=86_400,
        description="Seconds that an order must have been left alone before reconciliation judges it.",
    )

    smtp_host: str = Field(default="127.0.0.1", description="Mail server.")
    smtp_port: int = Field(default=25, ge=1, le=65_535, description="Port of the mail server.")
    smtp_username: str = Field(default="", description="User at the mail server; empty: no authentication.")
    smtp_password: str = Field(default="", description="Password at the mail server.")
    smtp_starttls: bool = Field(default=False, description="Require STARTTLS before anything is sent.")
    smtp_timeout: float = Field(default=15.0, gt=0, le=40, description="Seconds that one hand-over may take.")
    sms_account: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9]*$",
        description="Account at the SMS gateway, which speaks as Twilio does. Empty: nobody is sent a text message, "
        "and the `channels` of people's preferences say so.",
    )
    sms_token: str = Field(default="", description="Token of that account, which is its password.")
    sms_from: str = Field(
        default="",
        validate_default=True,
        description="Sender of text messages: a number as `+447700900123`, a name, or the id of a messaging service "
        "(`MG…`).",
    )
    sms_api_base: str = Field(
        default="", pattern=r"^(https?://.+)?$", description="Address of the SMS gateway; empty is Twilio itself."
    )
    sms_timeout: float = Field(default=10.0, gt=0, le=40, description="Seconds that one text message may take.")
    cart_days: int = Field(
        default=30, ge=1, le=3_650, description="Days after which an open cart that nobody has touched expires."
    )
    cart_retention_days: int = Field(
        default=30, ge=1, le=3_650, description="Days after which an untouched guest's cart forgets its person."
    )
    storefront_url: str = Field(
        default="http://127.0.0.1:8000", description="Address of the storefront: links in mails lead to its pages."
    )
    mail_from: str = Field(default="Everorder <orders@everorder.example>", description="Sender of every mail.")
    stock_alerts_to: str = Field(
        default="",
        pattern=r"^([^@\s]+@[^@\s]+)?$",
        description="Address that is told when little is left of a SKU (`low_stock_at`); a list's, to tell several "
        "people. Empty: nobody is, and `GET /v1/stock/alerts` tells.",
    )
    mailbox_dir: str = Field(
        default="",
        description="Folder of a local mail server, shown at `/dev/mailbox`. Empty outside development.",
    )

    metrics_token: str = Field(
        default="",
        description="Bearer token that `GET /metrics` of an API process asks for. Empty: it tells everybody who can "
        "reach the process, which the gateway does for nobody.",
    )
    metrics_address: str = Field(
        default="",
        description="Address (a number, no name) and port at which a worker tells its metrics, as `0.0.0.0:9464`; each "
        "worker of a machine needs its own. Empty: it tells none.",
    )
    log_level: str = Field(default="INFO", description="Least severity that is logged.")
    log_json: bool = Field(default=False, description="Log one JSON object a line rather than readable text.")

    @field_validator("sms_from")
    @classmethod
    def _sender(cls, sender: str, info: ValidationInfo) -> str:
        if info.data.get("sms_account") and not (sender and info.data.get("sms_token")):
            raise ValueError("an account at the SMS gateway needs a sender, and EVERORDER_SMS_TOKEN")
        return sender

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, listed: str) -> str:
        for one in filter(None, map(str.strip, listed.split(","))):
            ip_network(one, strict=False)
        return listed

    @field_validator("capture")
    @classmethod
    def _of_cards(cls, policy: CapturePolicy) -> CapturePolicy:
        if policy is CapturePolicy.DELIVERY:
            raise ValueError("cards are charged at placement or at shipment")
        return policy

    @field_validator("payment_methods")
    @classmethod
    def _offered(cls, listed: str) -> str:
        if not _ways(listed):
            raise ValueError("no way to pay is named")
        return listed

    @field_validator("payment_retry_hours")
    @classmethod
    def _retries(cls, listed: str) -> str:
        _schedule(listed)
        return listed

    @property
    def retry_schedule(self) -> RetrySchedule:
        """Return when a payment is tried again that may pass later."""
        return _schedule(self.payment_retry_hours)

    @property
    def payment_ways(self) -> frozenset[PaymentWay]:
        """Return the ways in which orders may be paid."""
        return _ways(self.payment_methods)

    @property
    def transfer_patience(self) -> timedelta:
        """Return how long a transfer is awaited."""
        return timedelta(days=self.bank_transfer_days)

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """Return the secrets that an event may be signed with."""
        return tuple(secret.strip() for secret in self.stripe_webhook_secret.split(",") if secret.strip())

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Return the ways in which messages are sent."""
        return tuple(channel for channel in Channel if channel is not Channel.SMS or self.sms_account)

    @property
    def close_after(self) -> timedelta:
        """Return how long an order stays open after its delivery."""
        return timedelta(days=self.close_after_days)

    @property
    def hold(self) -> timedelta:
        """Return how long stock stays held while a payment is missing."""
        return timedelta(minutes=self.hold_minutes)


def _ways(listed: str) -> frozenset[PaymentWay]:
    return frozenset(PaymentWay(one) for one in filter(None, map(str.strip, listed.split(","))))


def _schedule(hours: str) -> RetrySchedule:
    return RetrySchedule(tuple(timedelta(hours=float(one)) for one in filter(None, map(str.strip, hours.split(",")))))


@lru_cache
def get_settings() -> Settings:
    """Read the settings once.

    Raises:
        SettingsError: one is missing or wrong, with its name.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = _variable(first["loc"])
        hint = " (the stack of `make run` brings its own: is it up, in this folder?)" if name == "DATABASE_URL" else ""
        raise SettingsError(f"{name}: {first['msg']}{hint}") from None


def _variable(loc: tuple[str | int, ...]) -> str:
    """Name the environment variable that an error is about, which those with an alias do themselves."""
    name = str(loc[0])
    return f"EVERORDER_{name}".upper() if name in Settings.model_fields else name
