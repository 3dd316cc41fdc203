#!/usr/bin/env python3
"""html_prose.py FOLDER OUT: the running text of each HTML page of a folder (paragraphs and list items; no headings,
tables or program text) as OUT/<page>.txt. Pages with less than 2000 characters of it are left out."""
import html.parser, pathlib, sys


class Prose(html.parser.HTMLParser):
    SKIP = {"pre", "table", "script", "style", "head"}

    def __init__(self):
        super().__init__()
        self.paragraphs, self.text, self.skipped = [], None, 0

    def finish(self):
        line = " ".join((self.text or "").split())
        if len(line) > 40:
            self.paragraphs.append(line)
        self.text = None

    def handle_starttag(self, tag, attributes):
        kind = dict(attributes).get("class") or ""
        if tag in self.SKIP:
            self.skipped += 1
        elif tag in ("p", "li") or (tag == "div" and "para" in kind.split()):
            self.finish()
            self.text = ""

    def handle_endtag(self, tag):
        if tag in self.SKIP:
            self.skipped = max(0, self.skipped - 1)
        elif tag in ("p", "li", "div"):
            self.finish()

    def handle_data(self, data):
        if self.text is not None and not self.skipped:
            self.text += data


def main():
    source, out = map(pathlib.Path, sys.argv[1:])
    for page in sorted(source.glob("*.html")):
        prose = Prose()
        prose.feed(page.read_text(encoding="utf-8"))
        text = "\n".join(prose.paragraphs)
        if page.stem != "index" and len(text) >= 2000:
            (out / f"{page.stem}.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
