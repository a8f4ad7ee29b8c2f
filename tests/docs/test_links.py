"""Every link of every page leads to a file that is there, and to a heading that it has."""

import re
import unicodedata

import pytest
from ruamel.yaml import YAML

from components.process import ROOT
from tests.docs.blocks import pages, prose

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
NAMED = re.compile(
    r"`((?:components|kubeflow|pipeline|tests|benchmarks|docs)/[\w./-]+\.(?:py|md|yaml|j2|ipynb))`"
)
DOCS = ROOT / "docs"


def headings(page):
    """Anchors of a page, as the site and GitHub make them of its headings."""
    found = set()
    for title in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title.replace("`", ""))
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()))
    return found


def links(page):
    text = re.sub(r"`[^`\n]+`", "", prose(page))
    return [link for link in LINK.findall(text) if "://" not in link]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    wrong = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        # The site holds docs/ alone.
        inside = not page.is_relative_to(DOCS) or target.is_relative_to(DOCS)
        if not inside or not target.exists() or (anchor and anchor not in headings(target)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize(
    "page",
    [page for page in pages() if page.name != "CHANGELOG.md"],  # It names what is gone.
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_file_that_is_named_is_there(page):
    new = {"components/class_balance/balance.py"} if page.name == "add-a-step.md" else set()
    named = {name for name in NAMED.findall(prose(page)) if "*" not in name and "NAME" not in name}
    assert [name for name in sorted(named - new) if not (ROOT / name).exists()] == []


def test_the_navigation_has_every_page_and_no_other():
    values = YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    def leaves(node):
        if isinstance(node, str):
            return [node]
        return [leaf for each in (node.values() if isinstance(node, dict) else node)
                for leaf in leaves(each)]  # fmt: skip

    found = leaves(values["nav"])
    assert sorted(found) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert values["theme"]["font"] is False


@pytest.mark.parametrize("image", sorted((DOCS / "images").iterdir()), ids=lambda path: path.name)
def test_a_picture_is_small_and_shows_without_a_network(image):
    assert image.stat().st_size < 300_000
    if image.suffix == ".svg":
        assert not re.search(r"(href|src)=|@import|url\(['\"]?http", image.read_text("utf-8"))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
