"""What surrounds every request, from the outside in."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from api.metrics.requests import RequestMetrics
from api.middleware.body_limit import BodyLimit, UploadLimit
from api.middleware.head import Head
from api.middleware.known_host import KnownHost
from api.middleware.rate_limit import RateLimit
from api.middleware.request_identity import RequestIdentity
from api.middleware.security_headers import SecurityHeaders
from api.middleware.time_limit import TimeLimit
from api.rate_limits import RateLimits
from settings import Settings

_EXPOSED = ("X-Request-ID", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed")


def front_door(settings: Settings, limits: RateLimits, metrics: RequestMetrics) -> list[Middleware]:
    """List the layers in their order: each answer bears what stands before it here."""
    return [
        Middleware(RequestIdentity, metrics=metrics),
        Middleware(SecurityHeaders, hsts_seconds=settings.hsts_seconds),
        Middleware(KnownHost, hosts=_listed(settings.allowed_hosts)),
        *_cors(settings),
        Middleware(RateLimit, limits=limits, trusted_proxies=settings.trusted_proxies, metrics=metrics),
        Middleware(TimeLimit, seconds=settings.request_timeout),
        Middleware(BodyLimit, max_bytes=settings.max_body_bytes, max_file_bytes=settings.max_import_bytes),
        Middleware(UploadLimit, seconds=settings.upload_timeout),
        Middleware(Head),
    ]


def _cors(settings: Settings) -> list[Middleware]:
    """Let scripts of other origins in that the settings name. Never with cookies: nothing here is opened by one."""
    origins = _listed(settings.cors_origins)
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_credentials=False,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "Prefer",
                "X-Cart-Token",
                "X-Request-ID",
            ],
            expose_headers=_EXPOSED,
            max_age=600,
        )
    ]


def _listed(setting: str) -> list[str]:
    return [one.strip() for one in setting.split(",") if one.strip()]
