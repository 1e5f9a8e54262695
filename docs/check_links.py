"""Check the links of the built site: every file and every anchor that a page names must exist.

python docs/check_links.py build/site
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag links to and what it can be linked by."""
        for name, value in attrs:
            if name in {"href", "src"} and value:
                self.links.add(value)
            if name in {"id", "name"} and value:
                self.anchors.add(value)


def broken(site: Path) -> list[str]:
    """Return the links within a site that lead nowhere, each with its page."""
    files = [file for file in site.rglob("*.html") if "_static" not in file.parts]
    pages = {file.resolve(): Page(file) for file in files}
    found = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchors = pages[target].anchors if target in pages else None
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and anchors is not None and anchor not in anchors):
                found.append(f"{file.relative_to(site.resolve())}: {link}")
    return sorted(found)


if __name__ == "__main__":
    links = broken(Path(sys.argv[1]))
    print("\n".join(links) or "every internal link holds")
    sys.exit(bool(links))
