"""What the cluster needs of a machine is told with the command, and the page has its settings."""

import pytest

from tests.engines.flink import settings
from tests.engines.packages import FLINK
from tests.engines.proven import PAGE


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a PATH of commands that each print a line to stderr; `None` leaves one out."""

    def make(**says):
        for name, line in says.items():
            if line is not None:
                path = tmp_path / name
                path.write_text(f"#!/bin/sh\necho '{line}' >&2\n")
                path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


@pytest.mark.parametrize(
    ("java", "mvn", "said"),
    [
        (None, "", "there is no java on PATH"),
        ('openjdk version "17.0.15" 2025-04-15', None, "there is no mvn on PATH"),
        ('openjdk version "1.8.0_402"', "", "Flink 1.19 runs on Java 11, 17, 21, and java is"),
        ('openjdk version "25.0.1" 2025-10-21 LTS', "", "and java is openjdk version"),
        ("Error: could not open jvm.cfg", "", "and java is Error: could not open jvm.cfg"),
    ],
)
def test_what_is_missing_is_said_with_the_command(machine, java, mvn, said):
    machine(java=java, mvn=mvn)
    sentence = FLINK.missing()
    assert said in sentence
    assert sentence.endswith(": apt install default-jre-headless maven")


@pytest.mark.parametrize(
    "java", ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "21.0.8" 2025-07-15 LTS']
)
def test_the_java_of_debian_12_and_13_will_do(machine, java):
    machine(java=java, mvn="")
    assert FLINK.missing() is None


def test_the_page_has_every_setting_of_flink():
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("## Flink\n") : text.index("## Spark")]
    assert f"```text\n{settings.as_yaml(settings.RECIPE)}```" in section
    assert f"environment_cache_millis: {settings.ENVIRONMENT_CACHE_MS}" in section


def test_a_worker_that_died_has_left_the_cache_when_the_job_begins_again():
    delay = settings.RECIPE["restart-strategy.fixed-delay.delay"]
    assert int(delay.removesuffix(" s")) * 1000 > settings.ENVIRONMENT_CACHE_MS
