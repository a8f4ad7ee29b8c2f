"""The choice of a Python, without installing any."""

import hashlib
import importlib.util
import io
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("environment", ROOT / ".setup" / "environment.py")
environment = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(environment)

OLD, NEW = (2, 36), (2, 41)
LISTING = """\
cpython-3.14.0-linux-x86_64-gnu                 /usr/bin/python3.14
cpython-3.13.5-linux-x86_64-gnu                 /usr/bin/python3.13
cpython-3.13.0-linux-x86_64-gnu                 /root/.pyenv/versions/3.13.0/bin/python3.13
cpython-3.12.1-linux-x86_64-gnu                 /opt/python3.12 -> python3.12
cpython-3.11.9-linux-x86_64-gnu                 <download available>
cpython-3.10.13-linux-x86_64-gnu                /usr/bin/python3.10
pypy-3.10.16-linux-x86_64-gnu                   /usr/bin/pypy3.10
"""


def test_an_old_glibc_gets_the_old_generation():
    assert environment.wanted_versions("", OLD) == ("3.10",)


def test_a_new_glibc_gets_the_newest_python_first():
    assert environment.wanted_versions("", NEW) == ("3.13", "3.12", "3.11", "3.10")


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_an_override_is_taken(version):
    assert environment.wanted_versions(version, NEW) == (version,)


def test_an_override_that_cannot_run_here_is_refused_with_the_reason():
    with pytest.raises(environment.SetupError, match=r"glibc >= 2\.38.*has 2\.36"):
        environment.wanted_versions("3.12", OLD)


def test_an_unknown_override_is_refused_with_the_choices():
    with pytest.raises(environment.SetupError, match=r"3\.13, 3\.12, 3\.11, 3\.10"):
        environment.wanted_versions("3.9", NEW)


def test_the_listing_is_read_without_downloads_and_other_pythons():
    assert environment.parse_listing(LISTING) == [
        ("3.14", "/usr/bin/python3.14"),
        ("3.13", "/usr/bin/python3.13"),
        ("3.13", "/root/.pyenv/versions/3.13.0/bin/python3.13"),
        ("3.12", "/opt/python3.12"),
        ("3.10", "/usr/bin/python3.10"),
    ]


def choose(headers):
    installed = environment.parse_listing(LISTING)
    return environment.choose(environment.wanted_versions("", NEW), installed, headers)


def test_the_newest_with_headers_is_chosen():
    assert choose(lambda path: True) == ("3.13", "/usr/bin/python3.13")


def test_one_without_headers_gives_way_to_the_same_version_elsewhere():
    assert choose(lambda path: path != "/usr/bin/python3.13")[1].endswith("3.13.0/bin/python3.13")


def test_one_without_headers_gives_way_to_the_next_version():
    assert choose(lambda path: "3.13" not in path) == ("3.12", "/opt/python3.12")


def test_the_last_choice_is_the_old_generation():
    assert choose(lambda path: "3.10" in path) == ("3.10", "/usr/bin/python3.10")


def test_without_headers_none_is_usable():
    assert choose(lambda path: False) is None


def test_nothing_usable_is_none():
    assert environment.choose(("3.11",), environment.parse_listing(LISTING), lambda p: True) is None


def test_this_python_is_asked_for_its_headers(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert environment.has_headers(str(broken)) is False
    assert environment.has_headers(str(tmp_path / "absent")) is False


def test_a_machine_without_the_wanted_python_is_shown_those_that_it_has():
    installed = environment.parse_listing(LISTING)
    said = environment.missing(("3.11",), installed, lambda path: "3.12" not in path, NEW)
    assert said.startswith("No Python 3.11 with headers was found")
    for found in ("3.14 (/usr/bin/python3.14)", "3.12 (/opt/python3.12, without headers)"):
        assert found in said
    assert said.endswith("Or use one that is here: make setup PYTHON=3.13, make setup PYTHON=3.10.")
    assert "Found: none." in environment.missing(("3.11",), [], glibc=NEW)


def test_a_python_that_cannot_run_here_is_not_proposed():
    installed = environment.parse_listing(LISTING)
    said = environment.missing(("3.10",), installed, lambda path: "3.10" not in path, OLD)
    assert "3.13 (/usr/bin/python3.13)" in said
    assert "make setup" not in said


def test_what_uv_says_of_each_package_is_left_out():
    said = """\
Using CPython 3.10.13 interpreter at: /usr/bin/python3.10
Creating virtual environment at: .venv-3.10
   Building bit-on-tfx @ file:///bit
Downloading tensorflow (453.0MiB)
 Downloaded tensorflow
      Built bit-on-tfx @ file:///bit
Prepared 4 packages in 6.11s
Installed 314 packages in 1.42s
 + absl-py==1.4.0
 - click==8.1.0
 ~ bit-on-tfx==0.1.0 (from file:///bit)
error: Failed to install x
  Caused by: no space left
"""
    target = io.StringIO()
    environment.show(said.splitlines(keepends=True), target)
    shown = target.getvalue().splitlines()
    assert [line.split()[0] for line in shown] == [
        *("Using", "Creating", "Prepared", "Installed", "error:", "Caused"),
    ]


def test_glibc_is_read_as_two_numbers():
    major, minor = environment.glibc_version()
    assert major == 2
    assert minor > 10


def test_main_says_one_sentence_and_ends_with_2(capsys):
    assert environment.main(["uv", "--python", "2.7"]) == 2
    assert capsys.readouterr().err.startswith("setup: PYTHON=2.7: choose one of")


def make_environment(root, name):
    (root / name / "bin").mkdir(parents=True)
    (root / name / "bin" / "python").write_text(name)
    (root / name / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.13.9\n")


def test_dot_venv_is_linked_to_the_choice_and_moves_with_it(tmp_path):
    for name in (".venv-3.10", ".venv-3.13"):
        make_environment(tmp_path, name)
    for name in (".venv-3.13", ".venv-3.13", ".venv-3.10", ".venv-3.13"):
        environment.link(tmp_path, name)
        assert (tmp_path / ".venv" / "bin" / "python").read_text() == name
    assert (tmp_path / ".venv-3.10" / "bin" / "python").read_text() == ".venv-3.10"


def test_an_environment_that_a_bare_uv_run_made_is_replaced(tmp_path):
    make_environment(tmp_path, ".venv-3.13")
    make_environment(tmp_path, ".venv")
    environment.link(tmp_path, ".venv-3.13")
    assert (tmp_path / ".venv" / "bin" / "python").read_text() == ".venv-3.13"


def test_a_link_to_the_whole_folder_is_replaced_without_what_it_points_to(tmp_path):
    make_environment(tmp_path, ".venv-3.10")
    (tmp_path / ".venv").symlink_to(".venv-3.10")
    environment.link(tmp_path, ".venv-3.10")
    assert not (tmp_path / ".venv").is_symlink()
    assert (tmp_path / ".venv-3.10" / "bin" / "python").exists()


def test_a_folder_of_the_users_is_left_alone(tmp_path):
    make_environment(tmp_path, ".venv-3.10")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "notes").write_text("mine")
    with pytest.raises(environment.SetupError, match="move it away"):
        environment.link(tmp_path, ".venv-3.10")
    assert (tmp_path / ".venv" / "notes").read_text() == "mine"


def test_links_that_lead_nowhere_or_are_not_all_there_are_replaced(tmp_path):
    make_environment(tmp_path, ".venv-3.10")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to("../.venv-3.13/bin")
    environment.link(tmp_path, ".venv-3.10")
    assert (tmp_path / ".venv" / "bin" / "python").read_text() == ".venv-3.10"
    assert (tmp_path / ".venv" / "pyvenv.cfg").is_symlink()


def test_an_empty_folder_is_filled(tmp_path):
    make_environment(tmp_path, ".venv-3.10")
    (tmp_path / ".venv").mkdir()
    environment.link(tmp_path, ".venv-3.10")
    assert (tmp_path / ".venv" / "bin" / "python").exists()


def test_the_server_gets_a_python_of_its_own_whatever_the_glibc():
    installed = environment.parse_listing(LISTING)
    assert environment.choose(environment.SERVING, installed, lambda path: True) == (
        "3.12",
        "/opt/python3.12",
    )
    with_311 = [*installed, ("3.11", "/usr/bin/python3.11")]
    assert environment.choose(environment.SERVING, with_311, lambda path: True)[0] == "3.11"


def test_the_servers_environment_is_marked_when_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "installed_pythons", lambda uv: [("3.11", sys.executable)])
    (tmp_path / "uv.lock").write_text("versions")
    mark = tmp_path / ".venv-serve" / environment.SERVING_MARK
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\nmkdir -p "$UV_PROJECT_ENVIRONMENT"\n')
    uv.chmod(0o755)
    assert environment.sync_serving(str(uv)) == "3.11"
    assert mark.read_text().strip() == hashlib.sha256(b"versions").hexdigest()
    uv.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(environment.SetupError, match=r"\.venv-serve: see above"):
        environment.sync_serving(str(uv))
    assert not mark.exists()
