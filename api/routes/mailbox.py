"""`/dev/mailbox`: the mails that the local mail server kept. Only there when a mailbox folder is set."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from api import maildir
from api.deps import SettingsDep
from domain.errors import NotFoundError

router = APIRouter(prefix="/dev/mailbox", include_in_schema=False)

_PAGES = Environment(loader=FileSystemLoader(str(files("templates"))), autoescape=True)

# A mail may hold any markup: it is shown in a frame that runs nothing and loads nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@router.get("")
def list_mails(settings: SettingsDep) -> HTMLResponse:
    """List the newest mails, newest first."""
    return _page("list", mails=maildir.newest(Path(settings.mailbox_dir)))


@router.get("/{key}")
def show_mail(key: str, settings: SettingsDep) -> HTMLResponse:
    """Show one mail."""
    mail = maildir.find(Path(settings.mailbox_dir), key)
    if mail is None:
        raise NotFoundError("no such mail")
    return _page("mail", mail=mail)


def _page(name: str, **context: object) -> HTMLResponse:
    return HTMLResponse(_PAGES.get_template(f"mailbox/{name}.html.j2").render(context), headers=_HEADERS)
