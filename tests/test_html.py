"""The HTML page, in a real browser: it renders, its filters work, and nothing from a record is more than text."""

import json
import os
import re
import shutil
from collections import Counter, defaultdict
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from backproof.judging.plan import Plan
from backproof.plug.implementing import implementation
from backproof.plug.subject import subject_of
from backproof.record.reading import read
from backproof.record.report import Finding, Report
from backproof.record.writing import Recorder
from backproof.reference import Case, infer, parse
from backproof.renderings import render
from backproof.renderings.page.drawing import drawing, wrong_in
from backproof.renderings.page.markup import tag
from backproof.renderings.page.scatter import thinned

REQUIRED = os.environ.get("BACKPROOF_BROWSER") == "required"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = ('</style></script></svg></title><script>window.owned=1</script><img src=x onerror="window.owned=1">'
           "\"'` onload=owned=1 javascript:owned=1 &lt;b&gt; \u202egnp.exe \u2066 \x00\x07\x1b[31m \u2028 \ud800")
LESSON = {"symptom": "the bias gradient is halved", "wrong": "db = delta.mean(axis=0)",
          "right": "db = delta.sum(axis=0)", "seen": "some/where#1"}
DENSE, TANH = {"kind": "dense", "units": 2, "bias": True}, {"kind": "activation", "function": "tanh"}


def a_case(*layers, inputs=3):
    layers = list(layers) or [DENSE, TANH, DENSE]
    network = parse.network({"format": 1, "input_shape": [inputs], "layers": layers,
                                 "loss": {"kind": "squared_error"}})
    shapes = infer(network)
    parameters = {name: np.ones(shape) for name, shape in shapes.parameters.items()}
    return Case(network, parameters, np.ones((2, inputs)), np.ones((2, shapes.output[-1])))


def a_finding(of, **changes):
    fields = {"property": "reference", "parameter": "2.bias", "where": (0,), "got": -0.5, "wanted": -1.0, "error": 0.5,
              "tolerance": 9e-15, "case": of.id, "also": ("torch", "jax"), "faults": ("bias-averaged-over-batch",),
              "explanation": "it is halved\nwrong: 2.bias; right: 0.weight, 0.bias and inputs", "lesson": LESSON}
    return Finding(**{**fields, **changes})


OUTCOMES = {"contract": ["passed"], "reference": ["passed", "failed"], "torch": ["inconclusive", "passed"],
            "repeated_question": ["errored", "passed"], "unit_permutation": ["declined"]}


def record(folder, *, verdict="does_not_conform", footer=True, name="mine.py:mlp", networks=40, notes=(), **changes):
    """A small record with every outcome, two findings' worth of features, and as many points as networks."""
    case, counts = a_case(), defaultdict(Counter)

    @implementation(hidden=["tanh"], dtypes=["float64"])
    def subject(network, parameters, inputs, targets):
        raise NotImplementedError

    with Recorder(folder) as recorder:
        recorder.header(subject_of(subject, name), Plan(seed=7))
        for network in range(networks):
            for what, outcomes in OUTCOMES.items():
                outcome = outcomes[network % len(outcomes)] if verdict != "conforms" else "passed"
                near = {"0.bias": [0.0, 1e-14, 1.0], "2.weight": [10.0 ** -(network % 9), 1e-5, 1.0]}
                more = {"agreement": near} if what == "reference" else {}
                counts[what][outcome] += 1
                recorder.result(case, property=what, outcome=outcome, network=network + 1, **more)
        recorder.result(property="jax", outcome="not_available", network=0)
        counts["jax"]["not_available"] += 1
        recorder.case(case)
        if footer:
            findings = [] if verdict == "conforms" else [a_finding(case, **changes)]
            sharp = {"digits": 15.2, "smallest_error": 1e-14, "sharp": 40, "comparisons": 50}
            recorder.footer(Report(name, verdict, {}, 7, {k: dict(v) for k, v in counts.items()}, findings,
                                   {"float64": {"bias": sharp}}, list(notes), networks, 1, 1.5))
    return folder


def page_of(folder, **changes):
    """The page's file."""
    path = folder / "report.html"
    path.write_text(render("html", read(record(folder, **changes))), encoding="utf-8")
    return path


# --- without a browser -------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """The elements of a page, and the text of some."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.open, self.text = [], [], defaultdict(list)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        for each in set(self.open):
            self.text[each].append(data)


def test_the_verdict_is_first(tmp_path):
    outline = Outline(page_of(tmp_path).read_text("utf-8"))
    assert "Does not conform" in "".join(outline.text["h1"])
    headings = [int(name[1]) for name, _ in outline.seen if name in ("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_landmarks_captions_and_scopes(tmp_path):
    outline = Outline(page_of(tmp_path).read_text("utf-8"))
    names = Counter(name for name, _ in outline.seen)
    assert {name: names[name] for name in ("header", "nav", "main", "footer")} == dict.fromkeys(
        ("header", "nav", "main", "footer"), 1)
    assert names["caption"] == names["table"] > 4
    assert all("scope" in attrs for name, attrs in outline.seen if name == "th")
    assert all(attrs.get("role") == "img" or "aria-hidden" in attrs for name, attrs in outline.seen if name == "svg")
    ids = [attrs["id"] for _, attrs in outline.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    inside = {attrs["href"] for name, attrs in outline.seen if name == "a" and attrs["href"].startswith("#")}
    assert {href[1:] for href in inside} <= set(ids)


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    outline = Outline(page_of(tmp_path).read_text("utf-8"))
    for name, attrs in outline.seen:
        for key in ("src", "srcset", "action", "data", "poster", "xlink:href", "style"):
            assert key not in attrs, name
        # A link is followed by a click only; what was seen on GitHub is one.
        assert attrs.get("href", "#").startswith(("#", "data:,", "https://github.com/" if name == "a" else "#"))
    assert [name for name, _ in outline.seen].count("script") == 1
    policy = next(attrs["content"] for name, attrs in outline.seen if attrs.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_what_a_finding_says(tmp_path):
    text = page_of(tmp_path).read_text("utf-8")
    for said in ("The bias gradient is halved", "db = delta.mean(axis=0)", "db = delta.sum(axis=0)", "some/where#1",
                 "bias-averaged-over-batch", "9e-15", "it is halved", "<code>torch</code>, <code>jax</code>",
                 f"python -m backproof replay DIR/cases/{a_case().id}.json TARGET", "2.bias[0]"):
        assert said in text, said


def test_an_incomplete_record_says_so(tmp_path):
    text = page_of(tmp_path, footer=False).read_text("utf-8")
    assert "Incomplete" in "".join(Outline(text).text["h1"])
    assert "This is no verdict" in text
    assert "was cut off" in text
    assert "after network 40 of 300" in text
    assert "conforms" not in "".join(Outline(text).text["h1"]).lower()
    assert "No mistake was found" not in text


def test_a_whole_record_that_is_incomplete_says_so_too(tmp_path):
    text = page_of(tmp_path, verdict="incomplete").read_text("utf-8")
    assert "This is no verdict" in text
    assert "was cut off" not in text


def test_a_verdict_has_no_banner(tmp_path):
    for verdict in ("conforms", "does_not_conform", "not_judged"):
        text = page_of(tmp_path, verdict=verdict).read_text("utf-8")
        assert "This is no verdict" not in text
        assert ("No mistake was found" in text) == (verdict == "conforms")


def test_what_was_not_tested(tmp_path):
    text = page_of(tmp_path, notes=["a note"]).read_text("utf-8")
    part = text[text.index('id="untested"'):text.index('id="run"')]
    for said in ("Oracles that were not there", "jax", "Inconclusive", "torch", "declined", "unit_permutation",
                 "Not claimed", "<details><summary>", "activation: ", "relu", "float32", "a note"):
        assert said in part, said
    assert "relu" not in text[text.index('id="matrix"'):text.index('id="error"')]


def test_no_skip_counts_as_passed(tmp_path):
    rows = page_of(tmp_path).read_text("utf-8").split("<tr")
    row = next(row for row in rows if 'data-name="tanh"' in row)
    assert "✗ FAIL" in row
    for said, sign, count in [("40 passed", "✓", "40"), ("20 failed, 20 passed", "✗", "20"),
                              ("20 inconclusive, 20 passed", "?", "20"), ("20 errored, 20 passed", "!", "20"),
                              ("40 declined", "◇", "40"), ("1 not available", "\N{EN DASH}", "")]:
        cell = row[row.index(f'title="{said}"'):].partition("</td>")[0]
        assert f"<b>{sign}</b> {count}</span>" in cell
        assert ("passed" in row[:row.index(f'title="{said}"')].rpartition("<td")[2]) == (sign == "✓")


def test_no_command_without_an_id(tmp_path):
    assert "backproof replay" not in page_of(tmp_path, case="").read_text("utf-8")


def test_hostile_text_is_only_text(tmp_path):
    lesson = dict.fromkeys(LESSON, HOSTILE)
    text = page_of(tmp_path, name=HOSTILE, parameter=HOSTILE, explanation=HOSTILE, notes=[HOSTILE], lesson=lesson,
                   faults=(HOSTILE,), also=(HOSTILE,), property=HOSTILE).read_text("utf-8")
    clean = page_of(tmp_path / "clean").read_text("utf-8")
    kinds = {name for name, _ in Outline(clean).seen}
    keys = {key for _, attrs in Outline(clean).seen for key in attrs}
    assert {name for name, _ in Outline(text).seen} <= kinds
    assert {key for _, attrs in Outline(text).seen for key in attrs} <= keys
    assert "\\u202egnp.exe" in text
    assert not set(text) & {"\x00", "\x07", "\x1b", "\u202e", "\u2066", "\u2028", "\ud800"}
    assert text.split("<script>")[1].count("owned") == 0


def test_more_networks_than_planned_are_not_so_many_of_fewer(tmp_path):
    """Cases of a run before are asked first, beside those that are planned."""
    text = page_of(tmp_path / "a", networks=301).read_text("utf-8")
    assert "301 of" not in text
    assert "40 of 300" in page_of(tmp_path / "b").read_text("utf-8")


def test_markup_escapes_what_is_none():
    assert tag("p", "<b>", title='"') == '<p title="&quot;">&lt;b&gt;</p>'
    assert tag("p", tag("b", "&"), hidden=True, id=None) == "<p hidden><b>&amp;</b></p>"
    assert tag("p", "a\u202eb") == "<p>a\\u202eb</p>"
    assert len(tag("p", "a" * 10**6)) < 3000


@pytest.mark.parametrize(("named", "wrong"), [
    (("0.bias",), {"0.bias", "2.bias"}),
    (("0.weight", "0.bias", "inputs"), {"0.weight", "0.bias", "inputs", "2.bias"}),
    ((), {"2.bias"}),
    (("9.bias",), {"2.bias"}),
])
def test_which_gradients_are_wrong(named, wrong):
    known = {"0.weight", "0.bias", "2.weight", "2.bias", "inputs"}
    said = "wrong: 2.weight; right: none"  # the words are for people
    assert wrong_in(a_finding(a_case(), explanation=said, wrong=named), known) == wrong


def test_the_drawing():
    nine = {"kind": "dense", "units": 9, "bias": True}
    case = a_case(nine, TANH, {"kind": "parallel", "combine": "add", "branches": [[nine], []]}, DENSE)
    text = drawing(a_finding(case, parameter="3.bias", wrong=("2.0.0.weight",)), case.to_json())
    for said in ("0: dense", "9 units", "tanh", "2: parallel", "dense 9", "squared_error", "mean_over_batch", "⋮",
                 "✗ 3.bias (2) wrong", "✗ 2.0.0.weight (9 \u00d7 9) wrong", "batch 2, float64"):
        assert said in text, said
    assert "✗ 0.bias" not in text
    assert text.count("<circle") == 3 + 5 + 2


def test_a_deep_network_is_drawn_with_its_middle_left_out():
    case = a_case(*[DENSE] * 60)
    text = drawing(a_finding(case), case.to_json())
    assert "38 more layers" in text
    assert text.count("dense</text>") == 11 + 11


@pytest.mark.parametrize("example", [None, {}, {"network": 3}, {"format": 1, "network": {"layers": [[]]}}])
def test_what_cannot_be_drawn_says_so(example):
    said = drawing(a_finding(a_case()), example)
    assert "cannot be drawn" in said or "no network to draw" in said
    assert "<svg" not in said


def test_points_are_thinned_the_same_way_each_time_and_those_outside_stay():
    points = [("w", "float64", 1.0 if i % 100 == 0 else 0.0, 1e-3, 1.0) for i in range(20_000)]
    kept = thinned(points)
    assert len(kept) == 2000
    assert sum(point[2] == 1.0 for point in kept) == 200
    assert kept == thinned(points)
    assert len(thinned([("w", "float64", 1.0, 1e-3, 1.0)] * 20_000)) == 2000
    assert thinned(points[:50])[-1] == points[0]


def test_numbers_of_every_size_are_drawn(tmp_path):
    folder = record(tmp_path)
    lines = (folder / "report.jsonl").read_text("utf-8").splitlines()
    ends = [0.0, 5e-324, 1e308, "inf", "nan", "-inf", -1.0]
    near = {f"{i}": [a, b, 1.0] for i, (a, b) in enumerate((a, b) for a in ends for b in ends)}
    for i, line in enumerate(lines):
        data = json.loads(line)
        if "agreement" in data:
            lines[i] = json.dumps(data | {"agreement": near})
    (folder / "report.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    text = render("html", read(folder))
    part = text[text.index('class="scatter"'):text.index('id="digits"')]
    assert "nan" not in part
    assert "Mnan" not in text
    assert "Minf" not in text


def test_a_page_of_many_networks_is_small(tmp_path):
    page = page_of(tmp_path, networks=2000)
    assert page.stat().st_size < 300_000


def test_many_findings_are_listed(tmp_path):
    folder = record(tmp_path)
    lines = (folder / "report.jsonl").read_text("utf-8").splitlines()
    footer = json.loads(lines[-1]) | {"findings": 500}
    lines[-2:] = [lines[-2]] * 500 + [json.dumps(footer)]
    (folder / "report.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    text = render("html", read(folder))
    assert text.count("<article") == 40
    assert "The other findings" in text
    assert len(text) < 2 * 2**20


# --- in a browser ------------------------------------------------------------------------------------------------


def missing():
    """Why there is no browser; "" where there is one."""
    if CHROMIUM is None:
        return "no chromium on the path"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "no playwright: pip install --group browser"
    return ""


def test_a_required_browser_is_there():
    assert not (REQUIRED and missing()), missing()


@pytest.fixture(scope="module")
def browser():
    if reason := missing():
        (pytest.fail if REQUIRED else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page in the browser, with all that it complained of or asked for."""

    def __init__(self, browser, path, **context):
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.complaints, self.asked = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(Path(path).as_uri())

    def quiet(self):
        """Nothing was said, and nothing but the page itself was asked for."""
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith("data:")] == [self.page.url.partition("#")[0]]


@pytest.fixture
def opened(browser):
    contexts = []

    def of(path, **context):
        contexts.append(Opened(browser, path, **context))
        return contexts[-1]

    yield of
    for each in contexts:
        each.context.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("whole"))


# Every text's colour against the nearest colour behind it: the ratio of WCAG, and the words of those below 4.5.
CONTRAST = """() => {
  const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => numbers(c).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const solid = (c) => { const n = numbers(c); return n.length < 4 || n[3] > 0; };
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (solid(c)) return c; } return "rgb(255, 255, 255)"; };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    if (!own || !e.getClientRects().length || e.closest("script, desc, title")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(e.ownerSVGElement ? style.fill : style.color), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${own}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("verdict", ["conforms", "does_not_conform", "not_judged", "incomplete"])
def test_it_renders(opened, tmp_path, scheme, verdict):
    one = opened(page_of(tmp_path, verdict=verdict), color_scheme=scheme)
    assert one.page.locator("h1").inner_text().startswith(tuple("✗✓?!"))
    ground = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert one.page.evaluate(CONTRAST) == []
    one.quiet()


def test_the_contrast_is_measured(opened, whole):
    one = opened(whole)
    one.page.evaluate("document.querySelector('.lead').setAttribute('id', 'pale')")
    one.page.evaluate("document.styleSheets[0].insertRule('#pale { color: #ccc }', 0)")
    one.page.evaluate("document.styleSheets[0].insertRule('.scatter .word.over { fill: #eee !important }', 0)")
    assert len(one.page.evaluate(CONTRAST)) == 2


# What is wider than its place, and would be seen only by scrolling it.
CUT = """() => [...document.querySelectorAll(".scroll, pre, td, figure")]
  .filter((e) => e.getClientRects().length && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_no_width_scrolls_sideways_and_nothing_is_cut(opened, whole, width):
    one = opened(whole, viewport={"width": width, "height": 800})
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.page.evaluate(CUT) == []


def test_the_result_is_copied_in_one_line(opened, whole):
    one = opened(whole, permissions=["clipboard-read", "clipboard-write"])
    line = one.page.locator("#result code").inner_text()
    assert line == read(whole.parent).report.line
    assert re.fullmatch(r"mine\.py:mlp: DOES NOT CONFORM, 40 networks, [\d,]+ checks \(\d+ failed\), "
                        r"backproof [\w.+]*, seed 7", line)
    one.page.get_by_role("button", name="Copy").click()
    one.page.get_by_role("button", name="Copied").wait_for()
    assert one.page.evaluate("navigator.clipboard.readText()") == line
    one.quiet()


def test_it_prints_light_and_whole(opened, whole):
    one = opened(whole, color_scheme="dark", viewport={"width": 700, "height": 1000})
    one.page.emulate_media(media="print", color_scheme="dark")
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 700
    assert one.page.locator("nav").is_hidden()
    assert one.page.locator("#filters button").first.is_hidden()
    assert one.page.pdf().startswith(b"%PDF")
    one.quiet()


def visible_rows(one):
    rows = one.page.locator("#grid tr[data-facet]").all()
    return [row.get_attribute("data-name") for row in rows if row.is_visible()]


def test_the_filters_by_mouse(opened, whole):
    one = opened(whole)
    everything = visible_rows(one)
    assert {"dense", "tanh", "float64"} <= set(everything)
    assert "relu" not in everything
    one.page.get_by_role("button", name="activation").click()
    assert visible_rows(one) == ["tanh"]
    assert not {"dense", "float64"} & set(visible_rows(one))
    assert one.page.get_by_role("button", name="activation").get_attribute("aria-pressed") == "true"
    assert one.page.get_by_role("button", name="All").get_attribute("aria-pressed") == "false"
    assert one.page.get_by_role("status").inner_text() == f"1 of {len(everything)} features shown"
    one.page.get_by_role("button", name="All").click()
    assert visible_rows(one) == everything
    one.page.get_by_role("button", name="Failing only").click()
    assert "tanh" in visible_rows(one)
    one.quiet()


def test_the_filters_by_keyboard(opened, whole):
    one = opened(whole)
    one.page.get_by_role("button", name="All").focus()
    one.page.keyboard.press("Tab")
    one.page.keyboard.press("Tab")
    one.page.keyboard.press("Space")
    assert one.page.evaluate("document.activeElement.textContent") == "activation"
    assert one.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert "dense" not in visible_rows(one)
    one.page.keyboard.press("Shift+Tab")
    one.page.keyboard.press("Enter")
    assert visible_rows(one) == ["dense"]
    one.page.get_by_role("button", name="All").click()
    one.page.get_by_label("Search").fill(" FLO ")
    assert visible_rows(one) == ["float64"]
    one.page.get_by_label("Search").fill("no such thing")
    assert visible_rows(one) == []
    one.quiet()


def test_the_link_to_the_verdict_is_the_first_stop(opened, whole):
    one = opened(whole)
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.className") == "skip"
    one.page.keyboard.press("Enter")
    assert one.page.evaluate("document.activeElement.id") == "main"


def test_it_reads_without_scripts(opened, whole):
    one = opened(whole, java_script_enabled=False)
    said = one.page.locator("body").inner_text()
    for words in ("Does not conform", "db = delta.sum(axis=0)", "Conformance matrix", "tanh", "What was not tested",
                  "mine.py:mlp: DOES NOT CONFORM, 40 networks"):
        assert words in said
    assert one.page.locator("#copy").is_hidden()
    assert "leaky_relu" not in said
    one.page.locator("summary").click()
    assert "leaky_relu" in one.page.locator("body").inner_text()
    assert one.page.locator("#filters").is_hidden()
    assert one.page.locator(".scatter").is_visible()
    assert one.page.locator(".drawing").is_visible()
    one.quiet()


def test_hostile_text_is_inert(opened, tmp_path):
    path = page_of(tmp_path, name=HOSTILE, parameter=HOSTILE, explanation=HOSTILE, notes=[HOSTILE], faults=(HOSTILE,),
                   lesson=dict.fromkeys(LESSON, HOSTILE), also=(HOSTILE,), property=HOSTILE)
    one = opened(path)
    one.page.get_by_role("button", name="Failing only").click()
    assert one.page.evaluate("window.owned") is None
    assert one.page.locator("img").count() == 0
    assert one.page.locator("script").count() == 1
    assert "<script>window.owned=1</script>" in one.page.locator(".subject").inner_text()
    one.quiet()


def test_a_script_from_elsewhere_would_not_run(opened, whole, tmp_path):
    """The policy, and not only the escaping, keeps others out; and the checks above see one that gets in."""
    text = whole.read_text("utf-8").replace("</main>", "<script>window.owned = 1</script><img src='x.png'></main>")
    path = tmp_path / "planted.html"
    path.write_text(text, "utf-8")
    one = opened(path)
    assert one.page.evaluate("window.owned") is None
    assert one.complaints
    with pytest.raises(AssertionError):
        one.quiet()
