"""One version, wherever it is written."""

import datetime
import re

from ruamel.yaml import YAML

from components.process import ROOT


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere():
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), re.MULTILINE)[1]
    newest, date = re.search(r"^## (\S+) \((\S+)\)$", read("CHANGELOG.md"), re.MULTILINE).groups()
    citation = YAML(typ="safe").load(read("CITATION.cff"))
    assert newest == citation["version"] == version
    assert citation["date-released"] == date
    assert f"ARG VERSION={version}\n" in read("kubeflow/Dockerfile")


def test_the_changelog_goes_back_in_time():
    found = re.findall(r"^## (\d+)\.(\d+)\.(\d+) \((\S+)\)$", read("CHANGELOG.md"), re.MULTILINE)
    versions = [tuple(map(int, parts[:3])) for parts in found]
    dates = [datetime.date.fromisoformat(parts[3]) for parts in found]
    titles = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert titles.index("Unreleased") == 0 if "Unreleased" in titles else True
    assert len(found) == len([title for title in titles if title != "Unreleased"])
    assert versions == sorted(versions, reverse=True)
    assert dates == sorted(dates, reverse=True)


def test_the_citation_has_what_the_format_wants():
    """Citation File Format 1.2.0: https://citation-file-format.github.io."""
    citation = YAML(typ="safe").load(read("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    names = [*citation["authors"], *citation["references"][0]["authors"]]
    assert all("name" in each or each.keys() == {"given-names", "family-names"} for each in names)
    assert citation["license"] == re.search(r'^license = "(.+)"$', read("pyproject.toml"), re.M)[1]
