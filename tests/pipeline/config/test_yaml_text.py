"""YAML of a user's: whatever it is, values or one sentence, and never much work."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.errors import UserError
from pipeline.config import load_config, override_config
from pipeline.config.yaml_text import FILE_BYTES, parse_yaml, read_text
from pipeline.inputs.code import ROOT


def laughs(levels, width):
    """Each level names the one below `width` times."""
    lines = ["a0: &a0 [lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels + 1)]
    return "\n".join(lines)


def merges(levels, width):
    lines = ["m0: &m0 {k: 1}"]
    lines += [
        f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * width)}]}}" for n in range(1, levels + 1)
    ]
    return "\n".join(lines)


BAD = {
    "brackets": ("[" * 20_000, "nested"),
    "closed brackets": ("[" * 20_000 + "]" * 20_000, "nested"),
    "braces": ("{a: " * 5_000, "nested"),
    "indents": ("\n".join(" " * n + "a:" for n in range(900)), "nested"),
    "deep, and parsed": ("[" * 80 + "]" * 80, "nested"),
    "billion laughs": (laughs(9, 9), "aliases expand it to more than 60,000 values"),
    "million laughs": (laughs(60, 2), "more than 60,000 values|nested"),
    "merges": (merges(9, 9), "aliases expand it to more than 60,000 values"),
    "text by aliases": ("a: &a " + "x" * 100_000 + "\nb: [" + "*a," * 1000 + "]", "characters"),
    "190,000 keys": (
        "".join(f"k{n}: 1\n" for n in range(190_000)),
        "it has more than 60,000 values",
    ),
    "brackets behind a comment": ("# " + "[" * 100 + "\n" + "[" * 20_000, "nested"),
    "brackets behind a text": ("['" + "[" * 100 + "'," + "[" * 20_000, "nested"),
    "brackets and blanks": ("[ {\t" * 5_000, "nested"),
    "brackets on lines": ("[\n" * 20_000, "nested"),
    "a list in itself": ("a: &a [*a]", "nested"),
    "a mapping in itself": ("a: &a {b: *a}", "nested"),
    "NUL": ("a: b\0c", "not valid YAML"),
    "control characters": ("a: \x01", "not valid YAML"),
    "a key twice": ("a: 1\na: 2", "duplicate key"),
    "a tag of Python's": ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
    "a number of 5,000 digits": ("a: " + "1" * 5000, "not valid YAML"),
    "no date": ("a: 2026-99-99", "not valid YAML"),
    "no key": ("{[1]: {? {a: b} : c}}: *x", "not valid YAML"),
    "an alias of nothing": ("a: *b", "not valid YAML"),
    "two documents": ("a: 1\n---\nb: 2", "2 documents"),
    "a directive": ("%YAML x.y\n---\na: 1", "not valid YAML"),
}


@pytest.mark.parametrize(("text", "sentence"), BAD.values(), ids=BAD)
def test_what_is_no_configuration_is_refused_at_once(text, sentence):
    started = time.process_time()
    with pytest.raises(UserError, match=sentence) as refused:
        parse_yaml(text, "my.yaml")
    assert str(refused.value).startswith("my.yaml")
    assert "\n" not in str(refused.value)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("text", [BAD["brackets"][0], BAD["billion laughs"][0], BAD["NUL"][0]])
def test_the_same_in_an_override(text):
    with pytest.raises(UserError, match="--set data"):
        override_config({}, [f"data={text}"])


def test_what_is_written_once_may_be_named_again():
    text = "a: &a {b: [1, 2]}\nc: *a\nd: {<<: *a, e: 3}"
    assert parse_yaml(text, "x")["c"] == {"b": [1, 2]}


MANY = "[{ " * 10_000 + "["


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"a: '{MANY}'", MANY),
        (f'a: "{MANY}"', MANY),
        (f"a: x{MANY}", f"x{MANY}"),
        (f"a: |-\n  {MANY}", MANY),
        (f"# {MANY}\na: 1 # {MANY}", 1),
    ],
    ids=["quoted", "quoted twice", "plain", "block", "comment"],
)
def test_brackets_of_a_text_or_a_comment_are_no_nesting(text, value):
    started = time.process_time()
    assert parse_yaml(text, "x") == {"a": value}
    assert time.process_time() - started < 5


@pytest.mark.filterwarnings("error")
def test_an_anchor_may_be_used_again():
    text = "a: &x 1\nb: &x 2\nc: *x"
    assert parse_yaml(text, "x") == {"a": 1, "b": 2, "c": 2}


@given(
    st.text(alphabet=st.sampled_from("[]{}:,&*!|>%@`'\"#-?. \n\tab01<=~_e+\0\ud800é"), max_size=40)
)
@example("? ")
@example("!!set {a")
@example("!!binary x")
@example("!!timestamp x")
@example("!!int x")
@example("!!float ''")
@example("=")
@example("<<: 1")
def test_any_text_is_values_or_a_sentence(text):
    try:
        parse_yaml(text, "x")
    except UserError as error:
        assert str(error).startswith("x")  # noqa: PT017


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfea\0", "is not UTF-8 text: byte 0"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not UTF-8 text"),
        (b"pipeline_name: x\0", "is not valid YAML"),
        (b"- 1\n", "must contain `section:` blocks"),
        (b"x" * (FILE_BYTES + 1), "is larger than 2,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, content, sentence):
    (tmp_path / "my.yaml").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        load_config(file=str(tmp_path / "my.yaml"))


def test_what_is_no_file(tmp_path):
    for path, sentence in (
        (tmp_path, "cannot be read: Is a directory"),
        ("/dev/zero", "is larger than"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
        (tmp_path / "gone", "cannot be read: No such file"),
    ):
        with pytest.raises(UserError, match=sentence):
            load_config(file=str(path))


def test_a_sparse_gigabyte_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(1 << 30)
    started = time.process_time()
    with pytest.raises(UserError, match="is larger than"):
        read_text(path)
    assert time.process_time() - started < 1


def test_a_mark_of_the_byte_order_and_a_pipe_are_read(tmp_path):
    (tmp_path / "my.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert parse_yaml(read_text(tmp_path / "my.yaml"), "x") == {"a": 1}
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", f"echo 'a: 2' > {tmp_path}/pipe"]):
        assert parse_yaml(read_text(tmp_path / "pipe"), "x") == {"a": 2}


@pytest.mark.parametrize("text", [BAD["brackets"][0], BAD["billion laughs"][0]])
def test_the_command_ends_with_2_and_one_line(tmp_path, text):
    (tmp_path / "my.yaml").write_text(text)
    ran = subprocess.run(
        [sys.executable, str(ROOT / "local_runner.py"), "--config", str(tmp_path / "my.yaml")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1
    assert "my.yaml is not valid" in ran.stderr
