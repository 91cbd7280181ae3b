"""Build the course as a static site that reads without a network.

    python docs/build_site.py [FOLDER]    by default `site`

It keeps the repository's layout (notebooks/, docs/), so that relative links between pages hold; Markdown and
notebooks become HTML, `api/` is written by pdoc, `explorer.html` by seglab itself. The front page is the course's, made
from the README's table of lessons; the README itself is `about.html`. Nothing is fetched from elsewhere when a page is
read: styles are one file, figures lie inside the pages, formulas become MathML, and the search is a script over a list
that is built here.
"""

from __future__ import annotations

import argparse
import html
import importlib
import json
import os
import pkgutil
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import nbformat
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown import markdown2html
from pygments.formatters import HtmlFormatter

import seglab

ROOT = Path(__file__).resolve().parents[1]
STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d0d5dd, #3a404b); --soft: light-dark(#fafbfc, #1d2128);
  --ink: light-dark(#1b1f27, #e4e7ec); --quiet: light-dark(#4a5260, #b4bcc8); --page: light-dark(#fff, #14171c);
  --link: light-dark(#0b57d0, #8ab4ff); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 0 1.2rem 4rem; font: 1.0625rem/1.6 system-ui, sans-serif;
  color: var(--ink); background: var(--page); overflow-wrap: break-word; }
nav.top { display: flex; flex-wrap: wrap; align-items: center; gap: .2rem 1.2rem; padding: .8rem 0;
  border-bottom: 1px solid var(--line); }
nav.top a { padding: .3rem 0; } nav.top a:first-child { font-weight: 700; } nav.top form { margin-left: auto; }
input[type=search] { font: inherit; padding: .3rem .6rem; border: 1px solid var(--quiet); border-radius: .3rem;
  background: var(--page); color: var(--ink); width: 14rem; max-width: 100%; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; background: var(--page); padding: .5rem; }
a { color: var(--link); } :focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
.anchor-link { display: none; } h1, h2, h3 { line-height: 1.25; scroll-margin-top: 1rem; } h2 { margin-top: 2.2rem; }
img { max-width: 100%; height: auto; } td img { min-width: 9rem; }
.output_png img, .output_jpeg img { background: #fff; border-radius: .4rem; padding: .3rem; }
pre { overflow-x: auto; padding: .7rem .9rem; margin: .5rem 0; border-radius: .3rem; }
pre { font-size: .8rem; line-height: 1.45; } p, ul, ol { max-width: 46rem; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; } code { font-size: .9em; }
.highlight pre, main > pre { background: var(--soft); } .prompt { display: none; }
.output_area pre { padding: .1rem .9rem; border-left: 3px solid var(--line); border-radius: 0; }
math[display=block] { overflow-x: auto; overflow-y: hidden; padding: .3rem 0; max-width: 46rem; font-size: 1.1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; font-size: .94rem; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
details { margin: .5rem 0; } summary { cursor: pointer; }
.turn { max-width: none; display: flex; flex-wrap: wrap; gap: 1rem; justify-content: space-between; margin-top: 3rem; }
.contents { margin: 1rem 0; font-size: .92rem; } .contents ul { list-style: none; padding: 0; margin: .4rem 0; }
.contents li { margin: .35rem 0; } .contents a { color: var(--quiet); text-decoration: none; }
.contents a:hover { text-decoration: underline; }
.embedded { width: 100%; height: 44rem; border: 1px solid var(--line); border-radius: .4rem; }
.caption { color: var(--quiet); font-size: .92rem; }
.lead { font-size: 1.25rem; } .hero { display: grid; gap: 1.5rem; align-items: center;
  grid-template-columns: minmax(0, 1fr); }
.cards { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); padding: 0;
  max-width: none; list-style: none; }
.cards li { border: 1px solid var(--line); border-radius: .5rem; padding: .9rem; }
.cards img { display: block; width: 100%; height: 8rem; object-fit: contain; background: #fff; border-radius: .3rem; }
.cards h3 { margin: .7rem 0 .3rem; font-size: 1.05rem; } .cards p { margin: 0; font-size: .95rem; }
.found { padding: 0; list-style: none; } .found li { margin: 1rem 0; } mark { background: light-dark(#ffe58a, #6b5a00);
  color: inherit; }
@media (min-width: 64rem) {
  .beside { display: grid; grid-template-columns: minmax(0, 1fr) 15rem; gap: 3rem; align-items: start; }
  .beside > .contents { order: 2; position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow-y: auto; }
  .hero { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (prefers-color-scheme: dark) {
  .output_png img, .output_jpeg img, .cards img, td img { filter: brightness(.86); }
}
"""
# The colors of the site for pdoc's pages, whose own are for light screens only.
REFERENCE_STYLE = """
:root { color-scheme: light dark; --pdoc-background: light-dark(#fff, #14171c); }
body { color: light-dark(#1b1f27, #e4e7ec); }
.pdoc { --text: light-dark(#1b1f27, #e4e7ec); --muted: light-dark(#4a5260, #b4bcc8);
  --link: light-dark(#0b57d0, #8ab4ff); --link-hover: light-dark(#0842a0, #b5cfff);
  --code: light-dark(#fafbfc, #1d2128); --active: light-dark(#fff598, #4d4400); --accent: light-dark(#f5f7fa, #1d2128);
  --accent2: light-dark(#d0d5dd, #3a404b); --nav-hover: light-dark(#fff, #2a2f38); --name: light-dark(#0a58a8, #8ab4ff);
  --def: light-dark(#00620c, #7ee787); --annotation: light-dark(#00620c, #7ee787); }
.pdoc-code { background: none; } .pdoc .pdoc-button { border-color: currentColor; }
.pdoc .view-value-button:hover { background: none; } .pdoc .docstring a, .pdoc .attr a { text-decoration: underline; }
.pdoc .attribution { opacity: 1; } :focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
.pdoc .headerlink:focus-visible { opacity: 1; }
.pdoc .course { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 1rem 4.5rem .2rem 1rem; margin: 0; }
"""
# What scrolls sideways must be within reach of the keyboard, and nothing else should stop it.
SCROLLED = """
const wide = () => document.querySelectorAll('pre, math, .wide, .attr').forEach(part => {
  if (part.scrollWidth > part.clientWidth) part.tabIndex = 0; else part.removeAttribute('tabindex');
});
addEventListener('resize', wide); wide();
"""
# Finds every word of the query; sections whose heading has them come first.
SEARCH = """
const field = document.querySelector('main input'), list = document.querySelector('.found');
const status = document.querySelector('[role=status]');
const plain = text => text.toLowerCase();
function look() {
  const words = plain(field.value).split(/\\s+/).filter(Boolean);
  const has = (text, word) => plain(text).includes(word);
  const found = SECTIONS.filter(one => words.length && words.every(word => has(one.h + ' ' + one.t, word)));
  const inHeading = one => words.every(word => plain(one.h).includes(word)) ? 0 : 1;
  found.sort((a, b) => inHeading(a) - inHeading(b));
  list.replaceChildren(...found.slice(0, 40).map(one => {
    const item = document.createElement('li'), link = document.createElement('a'), text = document.createElement('div');
    link.href = one.p; link.textContent = one.h;
    const near = Math.max(0, plain(one.t).indexOf(words[0]) - 60);
    const at = near ? one.t.indexOf(' ', near) + 1 : 0, part = one.t.slice(at, at + 220);
    const mark = new RegExp('(' + words.map(w => w.replace(/[.*+?^${}()|[\\]\\\\]/g, '\\\\$&')).join('|') + ')', 'gi');
    part.split(mark).forEach((piece, i) => {
      const node = document.createElement(i % 2 ? 'mark' : 'span'); node.textContent = piece; text.append(node);
    });
    item.append(link, text); return item;
  }));
  status.textContent = words.length ? `${found.length} sections` : '';
}
field.value = new URLSearchParams(location.search).get('q') || '';
field.addEventListener('input', look); look();
"""
# The explorer itself, in the lesson that writes it.
EMBEDDED = '<iframe class="embedded" src="../explorer.html" title="The mask explorer as a web page"></iframe>'
LONG_PAGE = 2  # headings from which a page gets its contents beside it
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
ROOT_DOCUMENTS = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
DARK = "@media (prefers-color-scheme: dark) {{ {} }}"


def build(out: Path) -> Path:
    """Write the whole site into `out`, over what an earlier build left there, and return its front page."""
    out.mkdir(parents=True, exist_ok=True)
    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("default", "github-dark"))
    (out / "style.css").write_text("\n".join((light, DARK.format(dark), STYLE)), encoding="utf-8")
    (out / "scrolled.js").write_text(SCROLLED, encoding="utf-8")
    shutil.copytree(ROOT / "docs/images", out / "docs/images", dirs_exist_ok=True)
    shutil.copy(ROOT / "LICENSE", out / "LICENSE.txt")

    documents = [*sorted((ROOT / "docs").rglob("*.md")), *map(ROOT.joinpath, ROOT_DOCUMENTS)]
    write_page(out, "about.html", "About seglab", markdown(ROOT / "README.md"))
    for path in documents:
        place = path.relative_to(ROOT).with_suffix(".html")
        write_page(out, place, title_of(path), markdown(path))
    decisions = "".join(
        f'<li><a href="{path.with_suffix(".html").name}">{html.escape(title_of(path))}</a></li>'
        for path in documents
        if path.parent.name == "decisions"
    )
    write_page(out, "docs/decisions/index.html", "Decisions", f"<h1>Decisions</h1><ul>{decisions}</ul>")
    guides = "".join(
        f'<li><a href="{path.with_suffix(".html").name}">{html.escape(title_of(path))}</a></li>'
        for path in documents
        if path.parent == ROOT / "docs"
    )
    decisions_and_readme = (
        '<li><a href="decisions/index.html">Decisions</a></li><li><a href="../about.html">README</a></li>'
    )
    write_page(out, "docs/index.html", "Guides", f"<h1>Guides</h1><ul>{guides}{decisions_and_readme}</ul>")
    write_lessons(out)
    write_front_page(out)
    write_search(out)
    write_reference(out)

    from seglab import YOLO
    from seglab.widgets.page import explorer_page

    explorer = explorer_page(YOLO("toybox-n"), "toybox8-seg", out / "explorer.html")
    page = explorer.read_text(encoding="utf-8")
    page = page.replace("</header>", '<a href="index.html">seglab, the course</a></header>', 1)
    explorer.write_text(page, encoding="utf-8")
    return out / "index.html"


def write_lessons(out: Path) -> None:
    """The stored notebooks with their outputs, each with a way to its neighbors."""
    exporter = HTMLExporter(template_name="basic")
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    titles = [lesson_title(path) for path in paths]

    def exported(path: Path) -> str:
        body, _ = exporter.from_notebook_node(readable(path))
        return re.sub(r'<a class="anchor-link".*?</a>', "", body, flags=re.S)  # headings keep their ids without it

    def link(number: int, attributes: str = "") -> str:
        return f'<a {attributes}href="{paths[number].stem}.html">{html.escape(titles[number])}</a>'

    for number, path in enumerate(paths):
        body = exported(path)
        section = r'(<h2 id="A-page-to-share">.*?</p>)'
        body = re.sub(section, lambda found: found[1] + EMBEDDED, body, count=1, flags=re.S)
        before = link(number - 1, 'rel="prev" ') if number > 0 else "<span></span>"
        after = link(number + 1, 'rel="next" ') if number + 1 < len(paths) else "<span></span>"
        write_page(out, f"notebooks/{path.stem}.html", titles[number], f'{body}<p class="turn">{before}{after}</p>')
        body = exported(ROOT / "notebooks/solutions" / path.name)
        write_page(out, f"notebooks/solutions/{path.stem}.html", f"Solutions: {titles[number]}", body)
    write_page(out, "notebooks/index.html", "Lessons", f"<h1>Lessons</h1>{lesson_cards('../', '')}")


def readable(path: Path) -> nbformat.NotebookNode:
    """A stored notebook without what only those need who run it: the setup cell, and the badge from elsewhere."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "setup" not in cell.metadata.get("tags", ())]
    up = "../" * len(path.relative_to(ROOT).parents[:-1])
    first = notebook.cells[0]
    first.source = first.source.replace(BADGE, f"{up}docs/images/open-in-colab.png")
    return notebook


def lesson_cards(up: str, lessons: str) -> str:
    """The README's table of lessons as a list of cards. up: to the site's root; lessons: to the folder of lessons."""
    cards = []
    row = re.compile(r"^\| !\[(.+?)\]\((.+?)\) \| \[(.+?)\]\(notebooks/(.+?)\.ipynb\) \| (.+?) \|$", re.M)
    for alt, image, title, name, text in row.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        cards.append(
            f'<li><img src="{up}{image}" alt="{html.escape(alt)}" loading="lazy">'
            f'<h3><a href="{lessons}{name}.html">{html.escape(title)}</a></h3>'
            f"<p>You can {html.escape(text)}.</p></li>"
        )
    return f'<ul class="cards">{"".join(cards)}</ul>'


def write_front_page(out: Path) -> None:
    """What a newcomer sees: what it is, how to begin, and the lessons."""
    first = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))[0].stem
    body = f"""<div class="hero"><div><h1>Instance segmentation, built by hand</h1>
<p class="lead">A course and a library. In the lessons you write a YOLO11 segmentation network, its loss, its training
and its metrics yourself, and check each part number for number against the library that you import.</p>
<p><a href="notebooks/{first}.html">Read the first lesson</a>, or run it:</p>
<pre><code>pip install ".[course]"    # in a clone; the wheel brings the lessons too
seglab course</code></pre>
<p>All you need is Python 3.10 or newer; every lesson runs on a CPU. Nothing is sent anywhere.</p></div>
<img src="docs/images/prediction.jpg" alt="Objects, each tinted, outlined and named by the network"
 width="960" height="720"></div>
<h2>The lessons</h2>{lesson_cards("", "notebooks/")}
<h2>Try it without installing anything</h2>
<p><a href="explorer.html">Explore predictions</a> with sliders for every threshold, on this page's own images. The
<a href="docs/index.html">guides</a> are about your own data, fine-tuning, export and speed; the
<a href="api/seglab.html">API reference</a> has every function, and the <a href="about.html">README</a> the rest.</p>"""
    write_page(out, "index.html", "seglab: instance segmentation, built by hand", body)


def write_search(out: Path) -> None:
    """A page that searches the sections of all lessons and guides, from a list of their texts."""
    sections = []
    for path in [*sorted((out / "notebooks").glob("[0-9]*.html")), *sorted((out / "docs").glob("*.html"))]:
        if path.name in ("LOG.html", "index.html"):
            continue
        text = path.read_text(encoding="utf-8").partition("<main")[2]
        title = html.unescape(re.search(r"<title>(.+?)</title>", path.read_text(encoding="utf-8"))[1])
        parts = re.split(r"<h[123][^>]*?id=\"([^\"]+)\"[^>]*>(.*?)</h[123]>", text, flags=re.S)
        for anchor, heading, body in zip(parts[1::3], parts[2::3], parts[3::3]):
            heading = _words(heading)
            name = title if heading == title else f"{title}: {heading}"
            place = f"{path.relative_to(out).as_posix()}#{anchor}"
            sections.append({"p": place, "h": name, "t": _words(body)})
    script = f"const SECTIONS = {json.dumps(sections, ensure_ascii=False)};\n{SEARCH}"
    (out / "search.js").write_text(script, encoding="utf-8")
    body = (
        '<h1>Search</h1><p><label>Words in lessons and guides <input type="search" name="q" autofocus></label></p>'
        '<p role="status"></p><ul class="found"></ul><script src="search.js"></script>'
    )
    write_page(out, "search.html", "Search", body)


def _words(markup: str) -> str:
    """HTML -> its words, without styles, scripts, images and cell numbers; code and formulas as they read."""
    markup = re.sub(r"<(style|script).*?</\1>", " ", markup, flags=re.S)
    markup = re.sub(r'<div class="prompt[^>]*>.*?</div>', " ", markup, flags=re.S)
    markup = re.sub(r"</?(span|a|b|i|em|strong|code|m[a-z]+)( [^>]*)?>", "", markup)  # parts of a line
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


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

    pdoc.render.configure(docformat="markdown", footer_text="seglab", search=False, show_source=False)
    with every_module_listed(), warnings.catch_warnings():
        # Generated __init__ of named tuples: their annotations are shown as written.
        warnings.filterwarnings("ignore", "Error parsing type annotation")
        pdoc.pdoc("seglab", output_directory=out / "api")
    # Every page brings the same styles: they go into one file.
    styles: dict[str, None] = {}
    for path in (out / "api").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        up = "../" * len(path.relative_to(out).parents[:-1])
        styles |= dict.fromkeys(re.findall(r"<style>(.*?)</style>", text, flags=re.S))
        text = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
        text = text.replace("</head>", f'<link rel="stylesheet" href="{up}api/style.css">\n</head>', 1)
        menu = '<nav class="pdoc">'
        text = text.replace(menu, f'{menu}\n<p class="course">{site_links(out, up)}</p>', 1)
        # What pdoc leaves unsaid to screen readers, and a heading that skips two levels.
        text = re.sub(r'<a class="headerlink" href="#([^"]+)">', r'\g<0><span class="visually-hidden">\1</span>', text)
        text = re.sub(r"<svg[^>]*bi-box-arrow-in-left.*?</svg>", "\N{LEFTWARDS ARROW}", text, flags=re.S)  # half a kB
        text = text.replace("<h5>Inherited Members</h5>", "<p><b>Inherited Members</b></p>")
        text = text.replace("</body>", f'<script src="{up}scrolled.js"></script>\n</body>', 1)
        text = re.sub(r"\n\s+", "\n", text) if "<pre" not in text else text  # indentation is a fifth of a page
        path.write_text(text, encoding="utf-8")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".pdoc-code")
    styles |= dict.fromkeys((DARK.format(dark), REFERENCE_STYLE))
    (out / "api/style.css").write_text("\n".join(styles), encoding="utf-8")


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
    body = typeset(body)
    body = body.replace("<th></th>", "<td></td>")  # a corner is the head of nothing
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    body = re.sub(r' id="cell-id=', ' id="cell-', body)

    # What stands around it on every page.
    links = site_links(out, up)
    if place != "search.html":
        links += (
            f'<form action="{up}search.html" role="search"><input type="search" name="q" placeholder="Search" '
            'aria-label="Search lessons and guides"></form>'
        )
    contents = contents_of(body)
    shape = ' class="beside"' if contents else ""
    path = out / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f'<link rel="icon" href="data:,">\n<link rel="stylesheet" href="{up}style.css">\n</head>\n<body>\n'
        f'<a class="skip" href="#content">Skip to the content</a>\n<nav class="top" aria-label="Site">{links}</nav>\n'
        f'<div{shape}>{contents}\n<main id="content">\n{body}\n</main></div>\n'
        f'<script src="{up}scrolled.js"></script>\n</body>\n</html>\n',
        encoding="utf-8",
    )


def site_links(out: Path, up: str) -> str:
    """Links to the parts of the site, which stand on every page. up: to the site's root."""
    parts = {"seglab": "index.html", "Lessons": "notebooks/index.html", "Guides": "docs/index.html"}
    parts |= {"API": "api/seglab.html", "Explorer": "explorer.html"}
    if (out / "browser/index.html").is_file():
        parts["In the browser"] = "browser/index.html"
    return "".join(f'<a href="{up}{target}">{name}</a> ' for name, target in parts.items())


def typeset(body: str) -> str:
    """LaTeX between dollars as MathML, which browsers typeset themselves; code is left as it is."""
    pieces = re.split(r"(<(?:pre|code|script|style)\b.*?</(?:pre|code|script|style)>|<[^>]*>)", body, flags=re.S)
    # Text lies at the even places; what is between stays, since a formula holds no tags.
    for place in range(0, len(pieces), 2):
        text = re.sub(r"\$\$(.+?)\$\$", lambda found: _formula(found[1], "block"), pieces[place], flags=re.S)
        pieces[place] = re.sub(r"\$(?=\S)([^$]+?)(?<=\S)\$(?!\d)", lambda found: _formula(found[1], "inline"), text)
    return "".join(pieces)


def _formula(latex: str, display: str) -> str:
    return mathml(html.unescape(latex), display=display)


def contents_of(body: str) -> str:
    """Links to the sections of a long page, to stand beside it; "" for a short one."""
    sections = re.findall(r'<h2[^>]*?id="([^"]+)"[^>]*>(.*?)</h2>', body, flags=re.S)
    if len(sections) < LONG_PAGE:
        return ""
    items = "".join(f'<li><a href="#{anchor}">{html.escape(_words(name))}</a></li>' for anchor, name in sections)
    return f'<nav class="contents" aria-label="On this page"><strong>On this page</strong><ul>{items}</ul></nav>'


def _page_of(link: re.Match) -> str:
    start, readme, _, anchor = link.groups()
    return f'{start}{"about" if readme else ""}.html{anchor or ""}"'


def markdown(path: Path) -> str:
    """A Markdown file as HTML, with a place to link to at every heading."""
    body = markdown2html(path.read_text(encoding="utf-8"))
    return re.sub(r"<h([23])>(.*?)</h\1>", _with_place, body, flags=re.S)


def _with_place(heading: re.Match[str]) -> str:
    level, text = heading.groups()
    place = re.sub(r"[^\w-]+", "-", _words(text).lower()).strip("-")
    return f'<h{level} id="{place}">{text}</h{level}>'


def title_of(path: Path) -> str:
    """The first heading of a Markdown file."""
    found = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.M)
    return found[1].replace("`", "") if found else path.stem


def lesson_title(path: Path) -> str:
    return nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")


if __name__ == "__main__":
    os.environ["SEGLAB_OFFLINE"] = "1"
    parser = argparse.ArgumentParser(description="Build the course as a static site.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site")
    print(f"Wrote {build(parser.parse_args().folder)}: open it in any browser")
