"""Messages out of Jinja2 templates.

A mail is `templates/email/<name>.subject.j2`, `.txt.j2` and `.html.j2`, a text message `templates/sms/<name>.txt.j2`.
"""

from importlib.resources import files

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


class JinjaRenderer:
    """Satisfies `Renderer`. A variable that a template misses is an error, never an empty place in a mail."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(str(files("templates"))),
            autoescape=select_autoescape(["html.j2"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def email(self, template: str, context: dict[str, object]) -> tuple[str, str, str]:
        """Render subject (one line), plain text and HTML."""
        subject, text, html = (
            self._environment.get_template(f"email/{template}.{part}.j2").render(context)
            for part in ("subject", "txt", "html")
        )
        return " ".join(subject.split()), text, html

    def sms(self, template: str, context: dict[str, object]) -> str:
        """Render a text message, of one line whatever the template's are."""
        return " ".join(self._environment.get_template(f"sms/{template}.txt.j2").render(context).split())

    def templates(self) -> list[str]:
        """List every template, for the check that compiles them all."""
        return self._environment.list_templates(extensions=["j2"])

    def compile(self, name: str) -> None:
        """Compile one template.

        Raises:
            jinja2.TemplateSyntaxError: it is wrong.
        """
        self._environment.get_template(name)
