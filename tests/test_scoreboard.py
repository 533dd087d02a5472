"""The scoreboard: what it says of each subject, and that it needs and runs nothing."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from backproof import cli
from backproof.properties.claims import Head
from backproof.record.coverage import FLOOR
from backproof.record.reading import read
from backproof.renderings.scoreboard import Row, render
from small_records import case, finding, record

EXAMPLES = Path(__file__).parent / "examples"
HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; javascript:\u202e"
VOID = {"meta", "link", "br", "input"}


class Page(HTMLParser):
    """The tables of a page as texts, its elements, its links, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.tables, self.attributes, self.style = [], [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += [(tag, *each) for each in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append((tag, dict(attributes), []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            self.style += data
        elif {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1][2].append(data)

    def rows(self, number):
        """Of a table: the first cell of a row -> the texts of the others."""
        return {texts[0]: texts[1:] for row in self.tables[number]
                for texts in [[" ".join("".join(cell[2]).split()) for cell in row]]}


@pytest.fixture
def page(tmp_path):
    """The page of records, each made with the arguments of `record`."""
    def make(*all_arguments):
        made = [record(tmp_path / str(i), *more.pop("findings", ()), **more) for i, more in
                enumerate(map(dict, all_arguments))]
        return Page(render([Row(read(each)) for each in made]))
    return make


def claims(hidden):
    """One hidden activation, one head."""
    return {"hidden": (hidden,), "heads": (Head("identity", "squared_error"),)}


def cell(page, feature, subject=0):
    return page.rows(1)[feature][subject]


# --- the subjects ------------------------------------------------------------------------------------------------


def test_every_subject_with_its_verdict(page):
    board = page({"name": "right"}, {"name": "wrong", "findings": [finding()]}, {"name": "cut", "footer": False})
    rows = board.rows(0)
    assert rows["right function"][:4] == ["✓ conforms", "100 %", "300", "40 passed"]
    assert rows["wrong function"][:4] == ["✗ does not conform", "0 %", "300", "1 failed, 40 passed"]
    assert rows["cut function"][:3] == ["! incomplete the record has no last line: the run ended after network 300 of "
                                        "300", "0 %", "300"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", rows["right function"][4])


def test_the_heading_counts(tmp_path):
    runs = [Row(read(record(tmp_path / name, *found))) for name, found in (("a", []), ("b", [finding()]))]
    assert "<h1>1 of 2 subjects conforms</h1>" in render(runs)
    assert "<h1>1 of 1 subject conforms</h1>" in render(runs[:1])
    assert "<h1>0 of 1 subject conform</h1>" in render(runs[1:])


def test_versions_of_the_subjects_own_libraries(tmp_path):
    made = record(tmp_path / "run", name="torch", door="ready-made")
    path = made / "report.jsonl"
    path.write_text(path.read_text().replace('"needs": []', '"needs": ["torch"]'))
    path.write_text(re.sub(r'"environment": \{.*?\}', '"environment": {"python": "CPython 3", "numpy": "2", "torch": '
                           '"9.9", "jax": "8.8"}', path.read_text()))
    rows = Page(render([Row(read(made))])).rows(0)
    assert rows["torch ready-made"][-1] == "torch 9.9, CPython 3, numpy 2"
    path.write_text(path.read_text().replace('"ready-made"', '"function"'))
    assert Page(render([Row(read(made))])).rows(0)["torch function"][-1] == "CPython 3, numpy 2, torch 9.9, jax 8.8"


# --- the features ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("more", "says"), [
    ({}, "✓ pass 40 passed"),
    ({"findings": [finding()]}, "✗ FAIL 1 failed, 40 passed"),
    ({"checks": {"answers": {"passed": 40, "errored": 2}}}, "! ERROR 2 errored, 40 passed"),
    ({"checks": {"reference": {"passed": FLOOR - 1}}}, f"~ too few {FLOOR - 1} passed"),
    ({"checks": {"reference": {"passed": 40, "inconclusive": 1}}}, "? inconclusive 1 inconclusive, 40 passed"),
    ({"checks": {"answers": {"passed": 40, "declined": 1}}}, "◇ declined 1 declined, 40 passed"),
    ({"footer": False}, "? no verdict 40 passed"),
    ({"verdict": "incomplete"}, "? no verdict 40 passed"),
    ({"verdict": "not_judged"}, "? no verdict 40 passed"),
    ({"footer": False, "findings": [finding()]}, "✗ FAIL 1 failed, 40 passed"),
])
def test_a_cell_says_the_worst_and_the_counts(page, more, says):
    board = page(more)
    assert cell(board, "dense") == says
    classes = {each[1]["class"] for row in board.tables[1] for each in row if each[0] == "td" and each[2][1:]}
    assert ("passed" in classes) == says.startswith("✓ pass")


def test_a_judge_that_is_not_there_is_said(page):
    assert cell(page({"checks": {"reference": {"passed": 40}, "jax": {"not_available": 1}}}), "dense") == (
        "✓ pass 40 passed, 1 not available")


def test_not_exercised_and_not_claimed_are_no_passes(page):
    board = page({"cases": [case("tanh")]}, {"cases": [case("relu", "sum")], "claims": claims("relu")})
    assert cell(board, "tanh") == "✓ pass 40 passed"
    assert cell(board, "tanh", 1) == "· not claimed"
    assert cell(board, "relu") == "· not exercised"
    assert cell(board, "squared_error (sum)", 0) == "· not exercised"
    assert cell(page({}, {"cases": [], "claims": {"heads": (Head("softmax", "cross_entropy"),)}}),
                "squared_error (mean)", 1) == "· not claimed"
    classes = {each[1]["class"] for row in board.tables[1] for each in row
               if each[0] == "td" and "".join(each[2]).startswith("·")}
    assert classes <= {"not_exercised", "not_claimed"}


def test_features_that_nobody_claims_are_one_sentence(tmp_path):
    record(tmp_path / "run", claims=claims("tanh"))
    text = render([Row(read(tmp_path / "run"))])
    (left,) = re.findall(r"Claimed by no subject here: ([^<]*)\.", text)
    assert "gelu" in left.split(", ")
    assert "tanh" not in left.split(", ")
    assert "squared_error" not in left.split(", ")
    assert "gelu" not in Page(text).rows(1)


# --- the page ----------------------------------------------------------------------------------------------------


def test_every_table_can_be_listened_to(page):
    board = page({}, {"name": "other"})
    for table in board.tables:
        head, *rows = table
        assert all(tag == "th" and attributes["scope"] == "col" for tag, attributes, _ in head)
        assert all(row[0][0] == "th" and row[0][1]["scope"] in ("row", "rowgroup") for row in rows)
    assert board.elements.count("caption") == len(board.tables) == 2
    assert ("html", "lang", "en") in board.attributes
    assert board.elements.count("h1") == board.elements.count("main") == 1


def test_nothing_is_loaded_and_nothing_is_run(page):
    board = page({"name": HOSTILE, "findings": [finding()], "reason": HOSTILE, "door": HOSTILE})
    assert not {"script", "img", "iframe", "object", "form", "svg"} & set(board.elements)
    assert not [each for each in board.attributes if each[1] in ("src", "style") or each[1].startswith("on")]
    assert {each[2] for each in board.attributes if each[1] == "href"} <= {"data:,", "#main"}
    assert "url(" not in board.style
    assert "@import" not in board.style
    (policy,) = (each[2] for each in board.attributes if each[0] == "meta" and "default-src" in str(each[2]))
    assert b64encode(sha256(board.style.encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "\u202e" not in "".join(text for row in board.tables[0] for each in row for text in each[2])


def test_dark_light_and_paper(page):
    style = page({}).style
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


# --- the command -------------------------------------------------------------------------------------------------


def test_a_subject_is_linked_where_its_page_is_there(tmp_path, capsys):
    for name in ("a b#é", "other"):
        record(tmp_path / "runs" / name)
    (tmp_path / "runs" / "a b#é" / "report.html").touch()
    (tmp_path / "site").mkdir()
    out = tmp_path / "site" / "board.html"
    both = [str(tmp_path / "runs" / "a b#é" / "report.jsonl"), str(tmp_path / "runs" / "other")]
    assert cli.main(["scoreboard", *both, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    links = {each[2] for each in Page(out.read_text("utf-8")).attributes if each[:2] == ("a", "href")}
    assert links == {"#main", "../runs/a%20b%23%C3%A9/report.html"}


def test_to_the_terminal(tmp_path, capsys):
    assert cli.main(["scoreboard", str(record(tmp_path / "run")), "--out", "-"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_what_cannot_be_read_or_written_is_exit_2(tmp_path, capsys):
    run = str(record(tmp_path / "run"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "report.jsonl").write_text("{}\n")
    out = tmp_path / "board.html"
    for more in ([run, str(tmp_path / "nowhere"), "--out", str(out)], [run, str(tmp_path / "bad"), "--out", str(out)],
                 [run, "--out", str(tmp_path / "nowhere" / "board.html")]):
        assert cli.main(["scoreboard", *more]) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert not out.exists()


def test_of_a_run(tmp_path, capsys):
    pytest.importorskip("torch")
    for name in ("mlp_layers", "mlp_layers_wrong"):
        cli.main(["verify", f"{EXAMPLES / name}.py:mlp", "--examples", "20", "--oracles", "torch",
                  "--report", str(tmp_path / name)])
    assert cli.main(["scoreboard", str(tmp_path / "mlp_layers"), str(tmp_path / "mlp_layers_wrong"),
                     "--out", str(tmp_path / "board.html")]) == 0
    board = Page((tmp_path / "board.html").read_text("utf-8"))
    assert [text.split()[:2] for text in board.rows(1)["dense"]] == [["✓", "pass"], ["✗", "FAIL"]]
    assert [row[0] for row in list(board.rows(0).values())[1:]] == ["✓ conforms", "✗ does not conform"]


def test_versions_that_all_have_alike_are_told_once(tmp_path):
    made = [record(tmp_path / name, name=name) for name in ("one", "two")]
    rows = [Row(read(each)) for each in made]
    said = render(rows)
    assert said.count("hypothesis ") == 1
    assert "<p class=\"left\">All with " in said
    rows[1].run.report.environment["numpy"] = "1.0"
    assert "All with" not in render(rows)
    assert "numpy 1.0" in render(rows)
