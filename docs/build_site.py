"""Build the course as a static site that reads without a network.

    python docs/build_site.py [FOLDER]    by default `site`

It keeps the repository's layout (notebooks/, docs/), so that relative links between pages hold; Markdown and
notebooks become HTML, `api/` is written by pdoc, `explorer.html` by seglab itself. Nothing is fetched when a page is
read: styles are one file, figures lie inside the pages, and there are no scripts but those of the pages' own.
"""

from __future__ import annotations

import html
import importlib
import os
import pkgutil
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown import markdown2html
from pygments.formatters import HtmlFormatter

import seglab

ROOT = Path(__file__).resolve().parents[1]
STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8dce3, #3a404b); --soft: light-dark(#f5f7fa, #1d2128);
  --ink: light-dark(#1b1f27, #e4e7ec); --page: light-dark(#fff, #14171c); --link: light-dark(#0b57d0, #8ab4ff); }
body { margin: 0 auto; max-width: 64rem; padding: 0 1.2rem 4rem; font: 1.0625rem/1.6 system-ui, sans-serif;
  color: var(--ink); background: var(--page); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: .8rem 0; border-bottom: 1px solid var(--line); }
nav a:first-child { font-weight: 700; }
a { color: var(--link); } :focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
.anchor-link { display: none; } h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.2rem; }
img { max-width: 100%; height: auto; } td img { min-width: 9rem; }
.output_png img { background: #fff; border-radius: .3rem; }
pre { overflow-x: auto; padding: .7rem .9rem; margin: .5rem 0; border-radius: .3rem; }
pre { font-size: .84rem; line-height: 1.45; } p, ul, ol { max-width: 46rem; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; } code { font-size: .9em; }
.highlight pre, main > pre { background: var(--soft); } .prompt { display: none; }
.output_area pre { padding: .1rem .9rem; border-left: 3px solid var(--line); border-radius: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; font-size: .94rem; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
details { margin: .5rem 0; } summary { cursor: pointer; }
.turn { max-width: none; display: flex; justify-content: space-between; margin-top: 3rem; }
"""
ROOT_DOCUMENTS = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
DARK = "@media (prefers-color-scheme: dark) {{ {} }}"


def build(out: Path) -> Path:
    """Write the whole site into `out`, over what an earlier build left there, and return its front page."""
    out.mkdir(parents=True, exist_ok=True)
    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("default", "github-dark"))
    (out / "style.css").write_text("\n".join((light, DARK.format(dark), STYLE)), encoding="utf-8")
    shutil.copytree(ROOT / "docs/images", out / "docs/images", dirs_exist_ok=True)
    shutil.copy(ROOT / "LICENSE", out / "LICENSE.txt")

    documents = [*sorted((ROOT / "docs").rglob("*.md")), *map(ROOT.joinpath, ROOT_DOCUMENTS)]
    write_page(out, "index.html", "seglab", markdown(ROOT / "README.md"))
    for path in documents:
        place = path.relative_to(ROOT).with_suffix(".html")
        write_page(out, place, title_of(path), markdown(path))
    decisions = "".join(
        f'<li><a href="{path.with_suffix(".html").name}">{html.escape(title_of(path))}</a></li>'
        for path in documents
        if path.parent.name == "decisions"
    )
    write_page(out, "docs/decisions/index.html", "Decisions", f"<h1>Decisions</h1><ul>{decisions}</ul>")
    write_lessons(out)
    write_reference(out)

    from seglab import YOLO
    from seglab.widgets.page import explorer_page

    explorer_page(YOLO("toybox-n"), "toybox8-seg", out / "explorer.html")
    return out / "index.html"


def write_lessons(out: Path) -> None:
    """The stored notebooks with their outputs, each with a way to its neighbors."""
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    titles = [lesson_title(path) for path in paths]

    def link(number: int, attributes: str = "") -> str:
        return f'<a {attributes}href="{paths[number].stem}.html">{html.escape(titles[number])}</a>'

    for number, path in enumerate(paths):
        body, _ = exporter.from_filename(str(path))
        before = link(number - 1, 'rel="prev" ') if number > 0 else "<span></span>"
        after = link(number + 1, 'rel="next" ') if number + 1 < len(paths) else "<span></span>"
        write_page(out, f"notebooks/{path.stem}.html", titles[number], f'{body}<p class="turn">{before}{after}</p>')
    lessons = "".join(f"<li>{link(number)}</li>" for number in range(len(paths)))
    write_page(out, "notebooks/index.html", "Lessons", f'<h1>Lessons</h1><ul class="lessons">{lessons}</ul>')


@contextmanager
def every_module_listed() -> Iterator[None]:
    """Packages as pdoc looks at them: all modules in `__all__`, and in place what is else loaded on first use."""
    names = [found.name for found in pkgutil.walk_packages(seglab.__path__, "seglab.") if found.ispkg]
    packages = [seglab, *map(importlib.import_module, names)]
    listed = [list(getattr(package, "__all__", ())) for package in packages]
    added: list[tuple[ModuleType, str]] = []
    try:
        for package, public in zip(packages, listed):
            modules = [found.name for found in pkgutil.iter_modules(package.__path__) if found.name != "__main__"]
            for name in public:
                if name not in vars(package) and name not in modules:
                    setattr(package, name, getattr(package, name))
                    added.append((package, name))
            package.__all__ = list(dict.fromkeys([*public, *modules]))
        yield
    finally:
        for package, public in zip(packages, listed):
            package.__all__ = public
        for package, name in added:
            delattr(package, name)


def write_reference(out: Path) -> None:
    """The API reference, one page a module, from docstrings, with a way back to the course."""
    import pdoc

    pdoc.render.configure(docformat="markdown", footer_text="seglab", search=True)
    with every_module_listed(), warnings.catch_warnings():
        # Generated __init__ of named tuples: their annotations are shown as written.
        warnings.filterwarnings("ignore", "Error parsing type annotation")
        pdoc.pdoc("seglab", output_directory=out / "api")
    for path in (out / "api").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        up = "../" * len(path.relative_to(out).parents[:-1])
        search = '<input type="search"'
        text = text.replace(search, f'<p><a href="{up}index.html">seglab, the course</a></p>{search}', 1)
        path.write_text(text, encoding="utf-8")


def _reference_link(found: re.Match[str], up: str) -> str:
    """The name of a module's file -> a link to its page; names of files that are gone, as in the log, stay text."""
    if not (ROOT / f"{found[1]}.py").is_file():
        return found[0]
    return f'<a href="{up}api/{found[1].removesuffix("/__init__")}.html">{found[0]}</a>'


def write_page(out: Path, place: str | Path, title: str, body: str) -> None:
    """One page in the site's frame. Links to Markdown and notebooks go to their pages, names of modules to the API."""
    up = "../" * (len(Path(place).parts) - 1)  # to the site's root

    # What the page says.
    body = re.sub(r'(href="(?!https?:)[^"#]*?)(README)?\.(md|ipynb)(#[^"]*)?"', _page_of, body)
    body = re.sub(r"<code>(seglab/[\w/]+)\.py</code>", lambda found: _reference_link(found, up), body)
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    body = re.sub(r' id="cell-id=', ' id="cell-', body)

    # What stands around it on every page.
    parts = {"seglab": "index.html", "Lessons": "notebooks/index.html", "API": "api/seglab.html"}
    parts |= {"Explorer": "explorer.html", "Decisions": "docs/decisions/index.html", "Log": "docs/LOG.html"}
    if (out / "browser/index.html").is_file():
        parts["In the browser"] = "browser/index.html"
    links = "".join(f'<a href="{up}{target}">{name}</a>' for name, target in parts.items())
    path = out / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f'<link rel="icon" href="data:,">\n<link rel="stylesheet" href="{up}style.css">\n</head>\n<body>\n'
        f"<nav>{links}</nav>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        encoding="utf-8",
    )


def _page_of(link: re.Match) -> str:
    start, readme, _, anchor = link.groups()
    return f'{start}{"index" if readme else ""}.html{anchor or ""}"'


def markdown(path: Path) -> str:
    return markdown2html(path.read_text(encoding="utf-8"))


def title_of(path: Path) -> str:
    """The first heading of a Markdown file."""
    found = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.M)
    return found[1].replace("`", "") if found else path.stem


def lesson_title(path: Path) -> str:
    return nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")


if __name__ == "__main__":
    os.environ["SEGLAB_OFFLINE"] = "1"
    print(f"Wrote {build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'site'))}: open it in any browser")
