"""The static site: complete, whole without a network, every link leading somewhere."""

from __future__ import annotations

import html
import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

for package in ("pdoc", "nbconvert", "jupytext", "latex2mathml"):
    pytest.importorskip(package, reason="the site needs the extra [course]")

ROOT = Path(__file__).resolve().parents[2]
_module = importlib.util.spec_from_file_location("build_site", ROOT / "docs/build_site.py")
build_site = importlib.util.module_from_spec(_module)
_module.loader.exec_module(build_site)
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}


class Page(HTMLParser):
    """What a page loads, what it links to, and the places in it that can be linked to."""

    def __init__(self, path: Path):
        super().__init__()
        self.loads, self.links, self.places, self.unseen = [], [], {""}, []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.places.add(values.get("id") or "")
        if values.get(LOADED.get(tag)):
            self.loads.append(values[LOADED[tag]])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "img" and len(values.get("alt") or "") < 10:
            self.unseen.append(values["src"][:60])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGLAB_OFFLINE", "1")
        build_site.build(folder)
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_lesson_document_and_module_has_its_page(site):
    for lesson in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        assert (site / f"notebooks/{lesson.stem}.html").is_file()
    for document in (ROOT / "docs").rglob("*.md"):
        assert (site / document.relative_to(ROOT).with_suffix(".html")).is_file()
    for module in (ROOT / "seglab").rglob("*.py"):
        if module.name == "__main__.py":  # the command `python -m seglab`, nothing to import
            continue
        place = module.relative_to(ROOT).with_suffix("")
        place = place.parent if place.name == "__init__" else place
        assert (site / "api" / place.with_suffix(".html")).is_file(), place
    assert {"index.html", "explorer.html", "style.css"} <= {path.name for path in site.iterdir()}


def test_the_front_page_is_the_courses_with_a_card_for_every_lesson(site, pages):
    front = pages[site / "index.html"]
    lessons = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    for lesson in lessons:
        assert f"notebooks/{lesson.stem}.html" in front.links
        assert (site / f"notebooks/solutions/{lesson.stem}.html").is_file()
    assert front.text.count("<h3><a") == len(lessons) and "seglab course" in front.text
    menu = re.search(r'<nav class="top".*?</nav>', front.text, flags=re.S)[0]
    assert "LOG" not in menu and "ecisions" not in menu and "notebooks/index.html" in menu


def test_long_pages_have_their_contents_beside_them(site, pages):
    for lesson in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        page = pages[site / f"notebooks/{lesson.stem}.html"]
        sections = re.findall(r'<h2[^>]*id="([^"]+)"', page.text)
        contents = re.search(r'<nav class="contents".*?</nav>', page.text, flags=re.S)[0]
        assert [f'href="#{section}"' in contents for section in sections] == [True] * len(sections) and sections
    assert '<nav class="contents"' not in pages[site / "docs/decisions/0005-numpy-is-bgr-at-the-door.html"].text


def test_nobody_reads_an_installer_on_the_site(site, pages):
    for lesson in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        beginning = pages[site / f"notebooks/{lesson.stem}.html"].text.partition("</h1>")[2][:3000]
        assert "run_line_magic" not in beginning  # how the setup cell calls pip; lesson 08 names pip in its text


def test_search_has_the_sections_of_every_lesson(site, pages):
    script = (site / "search.js").read_text(encoding="utf-8")
    sections = json.loads(script.removeprefix("const SECTIONS = ").partition(";\n")[0])
    for lesson in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        assert sum(lesson.stem in section["p"] for section in sections) >= 4
    for section in sections:
        path, _, place = section["p"].partition("#")
        assert place in pages[site / path].places
    assert any("momentum" in section["t"] for section in sections) and not any("LOG" in s["p"] for s in sections)


def test_the_reference_is_small(site):
    assert sum(path.stat().st_size for path in (site / "api").rglob("*")) < 5_000_000


def test_pages_load_nothing_from_elsewhere(site, pages):
    """Neither scripts nor styles, fonts or images: the site reads without a network."""
    for path, page in pages.items():
        assert not [address for address in page.loads if re.match(r"(https?:)?//", address)], path
        styles = "".join(re.findall(r"<style.*?</style>", page.text, flags=re.S))
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", styles), path
        assert "mathjax" not in page.text.lower() and "cdn" not in re.sub(r"base64,[\w+/=]+", "", page.text), path
    assert "http" not in (site / "style.css").read_text(encoding="utf-8")


def test_links_inside_the_site_resolve(site, pages):
    for path, page in pages.items():
        for link in {*page.links, *page.loads}:
            target = urlsplit(link)
            if target.scheme or link.startswith("//"):
                continue
            place = (path.parent / unquote(target.path)).resolve() if target.path else path
            place = place / "index.html" if place.is_dir() else place
            assert place.is_file() and place.is_relative_to(site), f"{path.relative_to(site)} -> {link}"
            if target.fragment and place in pages and "api" not in place.relative_to(site).parts:
                # Browsers look for the fragment as it is written first, and then for what its escapes stand for.
                written = {target.fragment, unquote(target.fragment)}
                assert written & pages[place].places, f"{path.relative_to(site)} -> {link}"


def test_every_page_of_the_reference_leads_back_to_the_course(site, pages):
    for path, page in pages.items():
        if "api" in path.relative_to(site).parts and path.name != "index.html":
            assert any((path.parent / link).resolve() == site / "index.html" for link in page.links), path


def test_every_image_has_words(site, pages):
    for path, page in pages.items():
        if "api" not in path.relative_to(site).parts:
            assert not page.unseen, path


def test_formulas_are_typeset(site, pages):
    count = 0
    for lesson in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        formulas = re.findall(r"\$\$.+?\$\$", text, flags=re.S)
        page = pages[site / f"notebooks/{lesson.stem}.html"].text
        assert page.count('display="block"') == len(formulas), lesson.name
        read = re.sub(r"<(pre|code|annotation).*?</\1>", "", page, flags=re.S)
        assert not re.search(r"\$[^$<]+\$|\\(mathrm|frac|sum|big)", read), lesson.name
        count += len(formulas)
    assert count >= 10


def test_typesetting_leaves_code_and_prices_alone():
    for text in ("<code>$x$ costs $y$</code>", "<pre>echo $HOME $PATH</pre>", "<p>It costs $5, or 6 $ there.</p>"):
        assert build_site.typeset(text) == text
    typeset = html.unescape(build_site.typeset("<p>where $x &lt; y$ holds</p>"))
    assert "<mi>x</mi><mo><</mo><mi>y</mi>" in typeset


@pytest.mark.parametrize("width, scheme", [(390, "light"), (390, "dark"), (1280, "dark")])
def test_pages_in_a_browser(site, browser, width, scheme):
    """No page is wider than the screen, what scrolls can be reached by keyboard, and dark means dark everywhere."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    for name in ("index", "notebooks/03_loss", "docs/compat", "api/seglab", "api/seglab/training/loss", "search"):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        out_of_reach = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(part => part.scrollWidth > part.clientWidth + 1"
            " && ['auto', 'scroll'].includes(getComputedStyle(part).overflowX)"
            " && part.tabIndex < 0).map(part => part.outerHTML.slice(0, 80))"
        )
        assert not out_of_reach, name
        colors = page.evaluate(
            "(({ backgroundColor, color }) => [backgroundColor, color])(getComputedStyle(document.body))"
        )
        background, ink = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in colors)
        assert (background < ink) == (scheme == "dark"), name
    page.goto((site / "notebooks/03_loss.html").as_uri())
    assert page.locator("math[display=block]").first.bounding_box()["height"] > 20
    context.close()
