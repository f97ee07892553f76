#!/usr/bin/env python3
"""book.py MDBOOK TARGET: builds the book of docs/ into TARGET/book, and checks every link in it.

Pages of docs/ also link to files outside docs/, which a book does not contain. They are copied below repository/,
and the links are changed. Standard library only.
"""

import os
import posixpath
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
EXTERNAL = re.compile(r"[a-z][a-z+.-]*:")
FENCE = re.compile(r"^\s*```")


def main():
    mdbook, target = sys.argv[1], Path(sys.argv[2]).resolve()
    source, book = target / "book-source", target / "book"
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(book, ignore_errors=True)
    stage(source)
    command = [mdbook, "build", source, "--dest-dir", book]
    if subprocess.run(command, env={**os.environ, "MDBOOK_LOG": "warn"}).returncode != 0:
        return "mdBook has failed: its words are above."
    broken = check(book)
    if broken:
        return "\n".join(broken)
    print(f"the book: {book / 'index.html'}")
    return 0


def stage(source):
    """Copies the pages, with links to where their targets are in the book."""
    shutil.copytree(ROOT / "docs", source / "docs")
    shutil.copy(ROOT / "book.toml", source)
    waiting = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    known = set(waiting)
    while waiting:
        page = waiting.pop()
        text = (ROOT / page).read_text()
        for target in targets(page, text):
            if not target.startswith("docs/") and target not in known:
                known.add(target)
                copy(target, source)
                if target.endswith(".md"):
                    waiting.append(target)
        place = source / "docs" / staged(page)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(relinked(page, text))


def copy(target, source):
    place = source / "docs" / staged(target)
    if (ROOT / target).is_dir():
        sys.exit(f"{target} is a directory: a page of the book must link to a file")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / target, place)


def staged(path):
    """Where a file of the repository is, below the book's root."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def targets(page, text):
    found = []
    for_each_link(text, lambda link: found.append(resolved(page, link)[0]) or link)
    return [target for target in found if target]


def resolved(page, link):
    """The file that a link leads to, by its path in the repository, and the anchor. Nothing for other links."""
    path, hash_, anchor = link.partition("#")
    if EXTERNAL.match(link) or not path:
        return None, None
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(path))), hash_ + anchor


def relinked(page, text):
    def changed(link):
        target, anchor = resolved(page, link)
        if target is None:
            return link
        return posixpath.relpath(staged(target), posixpath.dirname(staged(page)) or ".") + anchor

    return for_each_link(text, changed)


def for_each_link(text, change):
    """The text with changed links. Code stays as it is."""
    lines, is_code = [], False
    for line in text.splitlines(keepends=True):
        if FENCE.match(line):
            is_code = not is_code
        if not is_code:
            parts = line.split("`")
            parts[::2] = [LINK.sub(lambda link: change(link.group()), part) for part in parts[::2]]
            line = "`".join(parts)
        lines.append(line)
    return "".join(lines)


class Document(HTMLParser):
    """What a page of the book links to, and what it can be linked by."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.anchors.add(attributes["id"])
        for name in ("href", "src"):
            if attributes.get(name):
                self.links.append(attributes[name])


def check(book):
    """Every link in the book that leads nowhere."""
    # These are for servers and printers: their links are relative to another place.
    pages = {page: Document(page.read_text()) for page in book.rglob("*.html") if page.name not in ("404.html", "print.html", "toc.html")}
    broken = []
    for page, document in pages.items():
        for link in document.links:
            if EXTERNAL.match(link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / unquote(path)).resolve() if path else page
            name = page.relative_to(book)
            if not target.exists():
                broken.append(f"{name}: {link} leads nowhere")
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                broken.append(f"{name}: {link}: there is no such heading")
    return sorted(set(broken))


if __name__ == "__main__":
    sys.exit(main())
