"""Standard streams that are full, closed, without a reader, or of another encoding."""

import subprocess
import sys

import pytest

from components.process import ROOT

PROGRAM = """
import sys
from components.terminal import run_command
def main():
    {body}
sys.exit(run_command(main, goes_on={goes_on}))
"""


def ran(body, redirected="", goes_on=False, **environment):
    code = PROGRAM.format(body=body.replace("\n", "\n    "), goes_on=goes_on)
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirected}; exit ${{PIPESTATUS[0]}}', sys.executable, code],
        cwd=ROOT, capture_output=True, check=False, env={"PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


MANY = "for n in range(200_000): print(n)\nreturn 3"


@pytest.mark.parametrize(
    ("redirected", "goes_on", "code", "said"),
    [
        ("", False, 3, b""),
        ("| head -n 1", False, 3, b""),
        ("| head -n 1", True, 3, b"standard output is closed (Broken pipe); the work continues.\n"),
        (">/dev/full", True, 3, b"standard output is closed (No space left on device); the work"),
        (">&-", False, 3, b""),
        ("2>&- >/dev/full", True, 3, b""),
    ],
)
def test_the_exit_code_is_the_commands(redirected, goes_on, code, said):
    ended = ran(MANY, redirected, goes_on)
    assert ended.returncode == code
    assert ended.stderr.startswith(said)
    assert len(ended.stderr.splitlines()) == bool(said)


def test_output_that_no_disk_took_is_a_failure_of_what_was_to_print_it():
    ended = ran("print('x')\nreturn 0", ">/dev/full")
    assert ended.returncode == 1
    assert ended.stderr == b"error: the output cannot be written: No space left on device.\n"


def test_libraries_print_into_a_lost_stream_too():
    body = "import os\nprint('x', flush=True)\nos.write(1, b'y')\nreturn 0"
    assert ran(body, ">/dev/full", True).returncode == 0


def test_a_file_that_is_opened_does_not_take_the_place_of_a_closed_stream(tmp_path):
    body = f"f = open({str(tmp_path / 'f')!r}, 'w')\nprint('x', flush=True)\nreturn f.fileno()"
    assert ran(body, "<&- >&- 2>&-").returncode > 2
    assert (tmp_path / "f").read_text() == ""


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", b"+ - -> ... \\u82b1 \\xff\n"),
        ("latin-1", b"+ \xb7 -> ... \\u82b1 \\xff\n"),
        ("utf-8", "✓ · → … 花 \\xff\n".encode()),
    ],
)
def test_what_the_terminal_lacks_is_shown_otherwise(encoding, shown):
    body = r"print('\u2713 \u00b7 \u2192 \u2026 \u82b1 \udcff')" + "\nreturn 0"
    assert ran(body, PYTHONIOENCODING=encoding).stdout == shown


def test_names_of_files_are_utf8_in_every_locale(tmp_path):
    body = f"open({str(tmp_path)!r} + '/B\\u00e4ume', 'w').close()\nprint('\\u2713')\nreturn 0"
    ended = ran(body, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"+\n", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["Bäume"]


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise KeyboardInterrupt", 1, b"interrupted\n"),
        ("sys.exit()", 0, b""),
        ("sys.exit(4)", 4, b""),
        ("sys.exit('no')", 1, b"no\n"),
    ],
)
def test_a_command_that_is_ended_has_the_code_that_python_gives(body, code, said):
    ended = ran(body)
    assert (ended.returncode, ended.stderr) == (code, said)
