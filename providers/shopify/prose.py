"""A product's description is text here and HTML there: what a script could hide in never gets in."""

import re
from html import escape
from html.parser import HTMLParser

_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "figcaption", "figure", "footer", "form"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table"}
    | {"tbody", "td", "tfoot", "th", "thead", "tr", "ul"}
)
_DROPPED = frozenset({"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "head", "title"})
_SOURCE_BREAK = re.compile(r"[ \t]*\n[ \t\n]*")
_BLOCK, _BREAK = "\v", "\f"
"""Stand for ends of lines while the line breaks of the source, which are spaces, are still there."""

_NO_MARKS = str.maketrans({_BLOCK: " ", _BREAK: " "})


class _Reader(HTMLParser):
    """Gathers the words of a fragment, with a line break where its layout has one."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tagged = False
        self.parts: list[str] = []
        self._dropping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - none is kept
        self.tagged = True
        if tag in _DROPPED:
            self._dropping.append(tag)
        elif tag == "br":
            self._write(_BREAK)
        elif tag in _BLOCKS:
            self._write(_BLOCK + ("- " if tag == "li" else ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.tagged = True
        if tag in self._dropping:
            del self._dropping[self._dropping.index(tag) :]
        elif tag in _BLOCKS:
            self._write(_BLOCK)

    def handle_data(self, data: str) -> None:
        self._write(data)

    def _write(self, data: str) -> None:
        if not self._dropping:
            self.parts.append(data)


def text_of(html: str) -> str:
    """Turn a description into text. One without any tag keeps its line breaks; else tags decide where lines end.

    Scripts, styles and whatever else is no prose is left out with its content.
    """
    reader = _Reader()
    reader.feed(html.replace("\r\n", "\n").translate(_NO_MARKS))
    reader.close()
    text = "".join(reader.parts)
    if not reader.tagged:
        return text.strip()
    text = _SOURCE_BREAK.sub(" ", text)
    if _BLOCK in text:
        text = _BLOCK.join(filter(None, (line.strip(" ") for line in text.split(_BLOCK))))
    return text.replace(_BLOCK, "\n").replace(_BREAK, "\n").strip()


def html_of(text: str) -> str:
    """Write a text so that `text_of` reads the same, and browsers show the same lines."""
    return "<br>".join(escape(line, quote=False) for line in text.split("\n"))
