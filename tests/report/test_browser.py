from collections.abc import Iterator
from pathlib import Path

import pytest

from butfor.report.html import write_report
from tests.report.browser import Page, chromium_page, find_chromium
from tests.report.make_record import bare_record, full_record, hostile_record

CHROMIUM = find_chromium()
RECORDS = {"full": full_record, "bare": bare_record, "hostile": hostile_record}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    return {name: write_report(record(), folder / f"{name}.html") for name, record in RECORDS.items()}


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    assert CHROMIUM is not None
    with chromium_page(CHROMIUM) as opened:
        yield opened


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("width", [360, 1200])
def test_quiet_alone_and_as_wide_as_the_screen(page: Page, reports: dict[str, Path], name: str, width: int) -> None:
    page.open(reports[name], width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.complaints() == []
    assert page.requests() == [reports[name].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_every_picture_is_shown_once(page: Page, reports: dict[str, Path]) -> None:
    for width in (360, 1200):
        page.open(reports["full"], width=width)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        shown = page.evaluate(
            "[...document.querySelectorAll('figure')].map("
            "f => [...f.querySelectorAll('svg')].filter(s => s.getClientRects().length).length)"
        )
        assert shown
        assert set(shown) == {1}


def test_dark_where_asked_and_never_on_paper(page: Page, reports: dict[str, Path]) -> None:
    background = "getComputedStyle(document.documentElement).backgroundColor"
    page.open(reports["full"], width=1200, dark=True)
    assert page.evaluate(background) == "rgb(20, 25, 31)"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", media="print", features=dark)
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.call("Emulation.setEmulatedMedia", media="", features=[])


def test_printing_opens_what_is_folded_away(page: Page, reports: dict[str, Path]) -> None:
    page.open(reports["full"], width=1200)
    assert page.evaluate("[...document.querySelectorAll('details')].some(d => d.open)") is False
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every(d => d.open)") is True


def test_text_has_contrast(page: Page, reports: dict[str, Path]) -> None:
    """At least 4.5 : 1 (WCAG AA) between text colours and the page, in both schemes."""
    for dark in (False, True):
        page.open(reports["full"], width=1200, dark=dark)
        for name in ("ink", "muted", "blue", "orange", "green", "red", "sand"):
            colours = [
                page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{variable}')").strip()
                for variable in (name, "paper")
            ]
            lighter, darker = sorted((luminance(c) for c in colours), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
