"""`everorder docs`: the tables of the documentation, printed from the code that they describe."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import annotated_types
import typer
from fastapi.routing import APIRoute
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from api.app import ROUTERS
from api.audience import access
from api.metrics.registry import Metrics
from api.problems import PROBLEMS
from api.rate_limits import LIMITS, CallerClass
from api.routes import platform
from api.security import SCOPES, Scope
from cli.errors import CommandError
from cli.main import COMMANDS
from db.audit import INVARIANTS
from domain.order_states import CANCELLABLE, ENDED, TRANSITIONS
from domain.roles import Role
from domain.stripe_events import TYPES
from settings import Settings

Folder = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder whose Markdown files are brought up.")]

_PART = re.compile(r"(<!-- begin: (?P<name>[a-z-]+) -->\n)(?P<content>.*?)(<!-- end -->)", re.DOTALL)


class UnknownPartError(CommandError):
    """A document asks for a part that nothing prints."""


def docs(
    folder: Folder = Path("docs"),
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit status 1 when a part is stale.")] = False,
) -> None:
    """Print the parts of the documentation that describe code anew, between `<!-- begin: … -->` and `<!-- end -->`."""
    stale = [path for path in sorted(folder.rglob("*.md")) if renewed(path) != path.read_text(encoding="utf-8")]
    for path in stale:
        typer.echo(f"{path}: {'stale' if check else 'printed anew'}")
        if not check:
            path.write_text(renewed(path), encoding="utf-8")
    raise typer.Exit(1 if check and stale else 0)


def renewed(path: Path) -> str:
    """Return a document with its parts as the code says today.

    Raises:
        UnknownPartError: it asks for a part that nothing prints.
    """

    def printed(part: re.Match[str]) -> str:
        if part["name"] not in PARTS:
            raise UnknownPartError(f"{path}: nothing prints {part['name']}")
        return f"{part[1]}\n{PARTS[part['name']]()}\n\n{part[4]}"

    return _PART.sub(printed, path.read_text(encoding="utf-8"))


def order_transitions() -> str:
    """Print the table of legal steps."""
    rows = [(f"`{t.type}`", f"`{t.source}`" if t.source else "", f"`{t.target}`") for t in TRANSITIONS]
    return _table(("event", "from", "to"), rows)


def order_chart() -> str:
    """Print the same table as a Mermaid state chart."""
    lines = [f"    {t.source or '[*]'} --> {t.target}: {t.type}" for t in TRANSITIONS]
    ends = [f"    {t} --> [*]" for t in sorted(ENDED)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, *ends, "```"])


def order_states() -> str:
    """Print what each state allows."""
    rows = []
    for status in dict.fromkeys(t.target for t in TRANSITIONS):
        steps = ", ".join(f"`{t.type}`" for t in TRANSITIONS if t.source == status)
        rows.append((f"`{status}`", steps or "none: the order is over", "yes" if status in CANCELLABLE else ""))
    return _table(("state", "steps that leave it", "can be cancelled and undone"), rows)


def settings() -> str:
    """Print every setting with its default."""
    rows = [
        (f"`{_variable(name, field)}`", _default(field), _limits(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _table(("variable", "default", "limits", "meaning"), rows)


def problems() -> str:
    """Print every problem code with its status."""
    return _table(("code", "status", "title"), [(f"`{code}`", str(s), title) for code, (s, title) in PROBLEMS.items()])


def rate_limits() -> str:
    """Print how much callers may ask for."""
    rows = [(policy, *(f"{rates.of(caller):,}" for caller in CallerClass)) for policy, rates in LIMITS.items()]
    return _table(("requests", *(f"by {caller}" for caller in CallerClass)), rows)


def routes() -> str:
    """Print every route with its service, whom it is for, and what it does."""
    rows = [(str(service), *row) for service, routers in ROUTERS.items() for r in routers for row in _routes(r.routes)]
    rows += [("every one", *row) for row in _routes(platform.router.routes)]
    return _table(("service", "route", "for", "what it does"), rows)


def scopes() -> str:
    """Print who may do what."""
    roles = [role for role in Role if SCOPES[role]]
    rows = [(f"`{scope}`", *("yes" if scope in SCOPES[role] else "" for role in roles)) for scope in Scope]
    return _table(("scope", *(role.replace("_", " ") for role in roles)), rows)


def invariants() -> str:
    """Print what the audit checks."""
    rows = [
        (
            invariant.id,
            invariant.says,
            "; ".join(check.says for check in invariant.checks) or "asks Temporal (`--settled`)",
        )
        for invariant in sorted(INVARIANTS, key=lambda invariant: invariant.id)
    ]
    return _table(("id", "invariant", "checks"), rows)


def metrics() -> str:
    """Print what a process of the API counts."""
    rows = [(f"`{named}`", kind, says) for named, kind, says in Metrics(tells_of_shop=True).described()]
    return _table(("metric", "kind", "what it tells"), rows)


def payment_events() -> str:
    """Print the events of Stripe to subscribe to, and what they are called here."""
    return _table(("event", "here"), [(f"`{kind}`", f"`{named}`") for kind, named in TYPES.items()])


def commands() -> str:
    """Print every command with its line in the help."""
    return _table(
        ("command", "what it does"), [(f"`everorder {name}`", entry.help) for name, entry in COMMANDS.items()]
    )


PARTS: Mapping[str, Callable[[], str]] = {
    "order-transitions": order_transitions,
    "order-chart": order_chart,
    "order-states": order_states,
    "settings": settings,
    "problems": problems,
    "rate-limits": rate_limits,
    "routes": routes,
    "scopes": scopes,
    "invariants": invariants,
    "commands": commands,
    "payment-events": payment_events,
    "metrics": metrics,
}
"""What a document can ask for, by name."""


def _routes(found: list[Any]) -> Iterator[tuple[str, str, str]]:
    for route in found:
        if isinstance(route, APIRoute):
            name = f"{' '.join(sorted(route.methods or ()))} {route.path}".replace(":path}", "}")
            yield f"`{name}`", str(access(route)), " ".join(route.description.split())


def _variable(name: str, field: FieldInfo) -> str:
    if isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return f"{Settings.model_config.get('env_prefix', '')}{name}".upper()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "none: required"
    return f"`{field.default}`" if field.default != "" else "empty"


def _limits(field: FieldInfo) -> str:
    """Write the least and the most that a setting may be."""
    least = [f"≥ {rule.ge}" for rule in field.metadata if isinstance(rule, annotated_types.Ge)]
    above = [f"> {rule.gt}" for rule in field.metadata if isinstance(rule, annotated_types.Gt)]
    most = [f"≤ {rule.le}" for rule in field.metadata if isinstance(rule, annotated_types.Le)]
    return ", ".join([*least, *above, *most])


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
