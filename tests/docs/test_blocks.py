"""Every command and every block of YAML, JSON and Python of the documents is a valid one."""

import ast
import importlib.util
import json
import re
import shlex
import subprocess

import pytest
from ruamel.yaml import YAML

from components.process import ROOT
from pipeline.config import Config, load_config
from pipeline.config.yaml_text import parse_yaml
from tests.docs.blocks import all_blocks

CLI = ROOT / "docs" / "reference" / "cli.md"
SECTIONS = set(Config.model_fields)
OTHERS = {
    "apt", "base64", "cat", "cd", "curl", "docker", "export", "go", "grep", "heif-convert",
    "kubectl", "magick", "openssl", "pip", "./prism", "sed",
}  # fmt: skip
"""Programs of the system whose options are not ours to know."""


def verbs():
    """The options of each verb of bit-tfx, from the reference that is written from the commands."""
    text = CLI.read_text(encoding="utf-8")
    found = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        found[section.partition("\n")[0]] = set(
            re.findall(r"^  +(--[\w-]+)", section, re.MULTILINE)
        )
    return found


def commands(block):
    """The commands of a block, as lists of words."""
    text = re.sub(r"\\\n\s*", " ", block.text)
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set("|&;"):
                if words:
                    yield words
                words = []
            elif words or not re.fullmatch(r"\w+=.*", word):
                words.append(word)


def check(words, targets, known):
    """What is wrong with a command; empty where nothing is."""
    name, *rest = words
    options = {word.partition("=")[0] for word in rest if word.startswith("--")}
    if name == "make":
        return [word for word in rest if "=" not in word and word not in targets]
    if name == "bit-tfx":
        verb = " ".join(rest[:2]) if rest[0] == "kubeflow" else rest[0]
        if verb == "kubeflow score" and "--" in rest:
            # What follows is of the verb that its task runs.
            at = words.index("--")
            return check(["bit-tfx", "score", *words[at + 1 :]], targets, known) or check(
                words[:at], targets, known
            )
        return [verb] if verb not in known else sorted(options - known[verb])
    if name.endswith("python") or name in ("python", "python3"):
        if "-m" in rest:
            module = rest[rest.index("-m") + 1]
            return [] if importlib.util.find_spec(module) else [module]
        return [] if (ROOT / rest[0]).exists() else [rest[0]]
    return [] if name in OTHERS else [name]


SHELL = all_blocks("sh", "bash")


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_command_is_one_that_can_be_typed(block):
    text = block.text
    ran = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    known = verbs()
    if "kubectl run" in text or "docker buildx" in text:
        return
    assert [
        (words, wrong) for words in commands(block) if (wrong := check(words, targets, known))
    ] == []


def test_what_is_checked_of_commands_is_found():
    targets, known = {"run"}, {"run": {"--set"}, "kubeflow submit": {"--host"}}
    assert check(["make", "rum"], targets, known) == ["rum"]
    assert check(["bit-tfx", "rum"], targets, known) == ["rum"]
    assert check(["bit-tfx", "run", "--sett", "a.b=c"], targets, known) == ["--sett"]
    assert check(["bit-tfx", "kubeflow", "submit", "--hosts=x"], targets, known) == ["--hosts"]
    assert check(["bit-tfx", "kubeflow", "submit", "--host=x"], targets, known) == []
    assert check([".venv/bin/python", "-m", "pipeline.nothing"], targets, known)
    assert check(["frobnicate"], targets, known) == ["frobnicate"]


def test_commands_within_lines_are_ones_too():
    """`bit-tfx ...` in the text."""
    known, wrong = verbs(), []
    for block_free in (ROOT / "docs").rglob("*.md"):
        if block_free == CLI:
            continue
        for found in re.findall(r"`bit-tfx ([^`]+)`", block_free.read_text(encoding="utf-8")):
            words = found.split()
            verb = " ".join(words[:2]) if words[0] == "kubeflow" and len(words) > 1 else words[0]
            options = {word for word in words if word.startswith("--")} - {"--help", "--version"}
            if verb not in {*known, "--help"} or options - known.get(verb, set()):
                wrong.append((block_free.name, found))
    assert wrong == []


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_a_block_of_yaml_is_a_configuration(block, tmp_path):
    """A whole one, or sections of one; what is for Kubernetes is parsed."""
    documents = list(YAML(typ="safe", pure=True).load_all(block.text))
    if any("apiVersion" in document for document in documents):
        assert all(document["kind"] for document in documents)
        return
    (values,) = documents
    assert values.keys() <= SECTIONS, values.keys() - SECTIONS
    sha256 = values.get("backbone", {}).get("sha256")
    if sha256:
        # Digests are shortened on the page.
        values["backbone"]["sha256"] = (
            "0" * 64 if isinstance(sha256, str) else dict.fromkeys(sha256, "0" * 64)
        )
    base = parse_yaml((ROOT / "pipeline/config/presets/flowers.yaml").read_text(), "flowers")
    if "pipeline_name" in values:
        base = {}
    elif "data" in values:
        base.pop("data")
    merged = {**base, **values}
    file = tmp_path / "block.yaml"
    YAML().dump(merged, file)
    assert load_config(file=str(file)).pipeline_name


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_a_block_of_python_compiles_and_imports_what_is_there(block):
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module.startswith(("components.class_balance", "tfx")):
            continue  # Made by the tutorial, and run by its test.
        module = importlib.import_module(node.module)
        assert all(hasattr(module, each.name) for each in node.names), node.module


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_a_block_of_json_is_json(block):
    assert json.loads(block.text)


def test_every_block_has_a_language():
    assert [str(block) for block in all_blocks() if not block.language] == []
