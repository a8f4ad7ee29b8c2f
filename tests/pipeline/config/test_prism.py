"""What is no Prism of the installed Beam's version is refused, with the command that builds one."""

import shutil
import sys
import zipfile
from importlib import metadata

import pytest

from components.errors import UserError
from pipeline.config.beam import BeamConfig
from pipeline.config.prism import PACKAGE, check_prism
from pipeline.config.services import check_workers

BEAM = metadata.version("apache-beam")


def built(version):
    """What a program that Go has built of it holds; tests/engines/test_prism.py has a real one."""
    return (
        b"\x7fELF\0\0github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism.CreateJobServer\0"
        b"path\tgithub.com/apache/beam/sdks/v2/go/cmd/prism\n"
        b"mod\tgithub.com/apache/beam/sdks/v2\t" + version.encode() + b"\th1:x=\n\0"
    )


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "prism"
    path.write_bytes(built(f"v{BEAM}"))
    path.chmod(0o755)
    return path


def refusal(path):
    with pytest.raises(UserError) as refused:
        check_prism(str(path))
    said = str(refused.value)
    assert said.startswith(f"beam.options.prism_location {path}: ")
    return said


@pytest.mark.parametrize(
    "version",
    [
        f"v{BEAM}",
        f"v{BEAM}-RC2",
        f"v{BEAM}+dirty",
        # Of a build that says nothing about it.
        "(devel)",
        "v2.73.1-0.20260401120000-76adea5c46f4",
    ],
)
def test_prism_of_beams_version_or_of_an_unknown_one_passes(program, version):
    program.write_bytes(built(version))
    assert check_prism(str(program)) is None


def test_another_version_is_refused(program):
    program.write_bytes(built("v2.51.0"))
    said = refusal(program)
    assert f"it is Prism 2.51.0, and this Beam is {BEAM}. " in said
    assert said.endswith(f"Build it: GOBIN={program.parent} go install {PACKAGE}@v{BEAM}")


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"github.com/apache/beam/sdks/v2"])
def test_another_program_is_refused(program, content):
    # One that does not listen would be waited for without end.
    program.write_bytes(content)
    assert "it is not Prism. Build it: " in refusal(program)


def test_python_is_not_prism():
    assert "it is not Prism" in refusal(sys.executable)


def test_what_is_not_executable_is_refused(program):
    program.chmod(0o644)
    assert refusal(program).endswith(f"it is not executable: chmod +x {program}")


def test_what_is_not_there_is_refused(tmp_path):
    assert "there is no such file. Build it: " in refusal(tmp_path / "my prism")
    assert f"GOBIN='{tmp_path}/a b'" in refusal(tmp_path / "a b" / "prism")
    assert "it cannot be read (Is a directory). Build it: " in refusal(tmp_path)


def test_a_zip_file_is_refused(program):
    with zipfile.ZipFile(program.with_suffix(".zip"), "w") as archive:
        archive.write(program, "prism")
    assert "it is a zip file. Unpack it" in refusal(program.with_suffix(".zip"))


def test_it_is_checked_with_the_workers(program, tmp_path):
    section = BeamConfig(runner="PrismRunner", options={"prism_location": str(program)})
    assert check_workers(section) is None
    shutil.move(program, tmp_path / "elsewhere")
    with pytest.raises(UserError, match="there is no such file"):
        check_workers(section)
