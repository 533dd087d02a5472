"""The scoreboard and the pictures of docs/, in a real browser: nothing cut, nothing on top of anything else."""

import os
import shutil
from pathlib import Path

import pytest
from backproof.record.reading import read
from backproof.renderings.page.adding import Sum, picture
from backproof.renderings.scoreboard import Row, render
from small_records import finding, record

DOCS = Path(__file__).parents[1] / "docs"
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
CUT = """() => [document.documentElement, ...document.querySelectorAll('.scroll')]
    .filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.className || each.tagName)"""
# Texts beyond the edge of the picture.
BEYOND = """() => { const whole = document.documentElement.getBoundingClientRect();
    return [...document.querySelectorAll('text')].filter(each => { const r = each.getBoundingClientRect();
      return r.left < whole.left - 1 || r.right > whole.right + 1 || r.top < whole.top - 1 || r.bottom > whole.bottom + 1;
    }).map(each => each.textContent); }"""
# Texts that lie on another text or on a line, unless they stand in a circle.
COVERED = """() => { const texts = [...document.querySelectorAll('text')].filter(each => each.textContent.length > 1);
    const boxes = texts.map(each => each.getBBox());
    const apart = (a, b) => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
    const on = (p, b) => p.x > b.x && p.x < b.x + b.width && p.y > b.y && p.y < b.y + b.height;
    return texts.filter((each, i) => boxes.some((b, j) => i !== j && !apart(boxes[i], b))
      || [...document.querySelectorAll('path')].some(path => { const long = path.getTotalLength();
        return [...Array(200).keys()].some(k => on(path.getPointAtLength(long * k / 199), boxes[i])); }))
      .map(each => each.textContent); }"""


@pytest.fixture(scope="module")
def browser():
    """Chromium; skipped where there is none, unless one is required."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        (pytest.fail if os.environ.get("BACKPROOF_BROWSER") == "required" else pytest.skip)("no browser")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def asked(browser, path, question, width=1280, scheme="light"):
    """The answer of the page to a question in JavaScript."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    try:
        page.goto(Path(path).as_uri())
        return page.evaluate(question)
    finally:
        page.close()


@pytest.fixture(scope="module")
def scoreboard(tmp_path_factory):
    """Three subjects, one of them wrong."""
    folder = tmp_path_factory.mktemp("scoreboard")
    made = [record(folder / name, *found, name=f"{name}.py:backprop") for name, found in
            (("mine", ()), ("that_of_somebody_else", ()), ("wrong", (finding(),)))]
    page = folder / "scoreboard.html"
    page.write_text(render([Row(read(each)) for each in made]), encoding="utf-8")
    return page


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_nothing_of_a_scoreboard_is_cut(browser, scoreboard, width, scheme):
    assert asked(browser, scoreboard, CUT, width, scheme) == []


def test_a_cut_is_seen(browser, scoreboard):
    """The same page with cells that are too wide."""
    wide = "document.querySelectorAll('.board td').forEach(each => { each.style.minWidth = '40rem'; });"
    assert asked(browser, scoreboard, f"() => {{ {wide} return ({CUT})(); }}", 390) == ["scroll"]


def test_on_a_phone_a_number_says_what_it_is_of(browser, scoreboard):
    heads = "() => getComputedStyle(document.querySelector('.subjects td:nth-of-type(3)'), '::before').content"
    assert "networks" in asked(browser, scoreboard, heads, 390)
    assert asked(browser, scoreboard, heads, 1280) == "none"


@pytest.mark.parametrize("name", ["bias.svg", "kill-matrix.svg"])
def test_no_word_of_a_picture_is_cut(browser, name):
    assert asked(browser, DOCS / name, BEYOND) == []


def test_words_and_lines_of_the_sum_are_apart(browser):
    assert asked(browser, DOCS / "bias.svg", COVERED) == []


def test_a_word_on_a_line_is_seen(browser, tmp_path):
    """The same picture with words too long for their place."""
    shown = Sum("t", "b", "1", ["one", "two"], ["x" * 90, "y"], ["d = 1" * 9, "d = 2"], "3", "1 + 2")
    (tmp_path / "long.svg").write_text(picture(shown), encoding="utf-8")
    assert "d = 1" * 9 in asked(browser, tmp_path / "long.svg", COVERED)
    assert "x" * 90 in asked(browser, tmp_path / "long.svg", BEYOND)


@pytest.mark.parametrize("name", ["bias.svg", "kill-matrix.svg"])
def test_a_picture_is_dark_where_the_screen_is(browser, name):
    paper = "() => getComputedStyle(document.querySelector('.paper')).fill"
    assert asked(browser, DOCS / name, paper, scheme="light") != asked(browser, DOCS / name, paper, scheme="dark")
