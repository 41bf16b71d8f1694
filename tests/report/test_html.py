import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from butfor.core.errors import UnwritablePath
from butfor.report.html import CONTENTS, render, write_report
from tests.report.make_record import bare_record, full_record, hostile_record, unidentified_record

Attributes = list[tuple[str, str | None]]
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Outline(HTMLParser):
    """Every tag with its attributes, the text, and a check that tags nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text).replace("\u00a0", " "))


@pytest.fixture(scope="module")
def full() -> str:
    return render(full_record())


@pytest.fixture(scope="module", params=[full_record, bare_record, unidentified_record, hostile_record])
def page(request: pytest.FixtureRequest) -> str:
    return render(request.param())


def test_every_section_is_there_in_order(page: str) -> None:
    sections = [attributes["id"] for tag, attributes in Outline(page).tags if tag == "section"]
    answered = "Why this is not identified" not in page
    assert sections == [n for n, _ in CONTENTS if answered or n in ("graph", "identification", "caveats", "provenance")]


def test_what_is_not_identified_says_why_and_what_would_help() -> None:
    words = Outline(render(unidentified_record())).words
    assert "This path stays open: discount ↔ value" in words
    assert "Measure the common cause of discount and value." in words
    assert "hedge (Shpitser and Pearl 2006)" in words


def test_loads_nothing(page: str) -> None:
    for tag, attributes in Outline(page).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    assert "@import" not in style
    assert not re.search(r"url\((?!#)", page)


def test_identifiers_are_unique_and_references_resolve(page: str) -> None:
    tags = Outline(page).tags
    names = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in tags:
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in names
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)


def test_headings_tables_and_drawings_say_what_they_are(page: str) -> None:
    tags = Outline(page).tags
    assert ("html", {"lang": "en"}) in tags
    assert [tag for tag, _ in tags].count("h1") == 1
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")
    assert [tag for tag, _ in tags].count("caption") == [tag for tag, _ in tags].count("table")
    drawings = [attributes for tag, attributes in tags if tag == "svg"]
    assert all(a["role"] == "img" and ("aria-label" in a or "aria-labelledby" in a) for a in drawings)


def test_first_page_answers_with_uncertainty_and_estimand(full: str) -> None:
    record = full_record()
    low, high = record.estimates.primary.result.interval()[0]
    head = Outline(full.partition("<main>")[0] + "</body></html>").words
    value = float(record.estimates.primary.result.value[0])
    assert (
        f"raises value by {value:.2f} on average, with a 95 % interval from {low:.2f} to {high:.2f}."
        in head.replace(" on", " on")
    )
    assert "Estimand: ATE" in head
    assert "naive difference" in head
    for word in ("Identified", "All 3 passed", "Examined", "Treat everyone"):
        assert word in head


def test_first_page_says_that_sensitivity_was_not_examined() -> None:
    head = Outline(render(bare_record()).partition("<main>")[0] + "</body></html>").words
    assert "Sensitivity not yet examined." in head
    assert "Not checked" in head
    assert "On your word" in head


def test_stages_that_were_not_run_say_how_to_run_them() -> None:
    words = Outline(render(bare_record())).words
    for call in ("study.refute()", "study.sensitivity()", "study.decide(", "graph="):
        assert call in words


def test_effect_that_is_not_identified_gets_no_number() -> None:
    page = render(unidentified_record())
    words = Outline(page).words
    assert "is not answered" in words
    assert "Not identified" in words
    assert "discount ↔ value" in words


def test_names_are_harmless() -> None:
    page = render(hostile_record())
    assert "<script>alert" not in page
    assert [tag for tag, _ in Outline(page).tags].count("script") == 1
    assert "<script>alert('x')</script>" in Outline(page).words


def test_same_record_same_bytes(full: str) -> None:
    assert render(full_record()) == full


def test_reproduction_and_provenance(full: str) -> None:
    words = Outline(full).words
    assert "butfor run study.yaml --seed 3" in words
    assert "customers.parquet" in words
    assert full_record().provenance.data_fingerprint in words


def test_written_file_is_the_page(tmp_path: Path, full: str) -> None:
    path = write_report(full_record(), tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == full


def test_unwritable_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnwritablePath, match="missing"):
        write_report(bare_record(), tmp_path / "missing" / "report.html")
    assert list(Path(tmp_path).iterdir()) == []
