"""Memory and CPU time of processes against what they say of themselves."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.processes import Watch, children

WORK = """
import json, sys, time
end = time.process_time() + float(sys.argv[1])
held = bytearray(int(sys.argv[2]) * 1_000_000)
for at in range(0, len(held), 4096):
    held[at] = 1
del held
while time.process_time() < end:
    pass
status = open("/proc/self/status").read()
peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps([time.process_time(), int(peak) / 1000]), flush=True)
sys.stdin.read(1)
"""


def start(cpu_s, megabytes):
    command = [sys.executable, "-c", WORK, str(cpu_s), str(megabytes)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


def test_what_two_processes_of_a_role_used():
    processes = [start(0.3, 80), start(0.5, 20)]
    pids = {process.pid: "worker-0" for process in processes}
    with Watch(lambda: pids, every_s=0.02) as watch:
        said = [json.loads(process.stdout.readline()) for process in processes]
    for process in processes:
        process.communicate("x")
    used = watch.usage()["worker-0"]
    assert used.processes == 2
    assert used.cpu_s == pytest.approx(sum(cpu_s for cpu_s, _ in said), abs=0.1)
    assert used.peak_mb == pytest.approx(max(peak for _, peak in said), rel=0.02)
    assert used.peak_mb > 80


def test_what_came_before_does_not_count():
    process = start(0.4, 120)
    process.stdout.readline()
    with Watch(lambda: {process.pid: "old"}, every_s=0.02) as watch:
        pass
    process.communicate("x")
    used = watch.usage()["old"]
    assert used.cpu_s < 0.1
    assert 0 < used.peak_mb < 100


def test_a_child_that_ended_keeps_its_cpu_time_until_its_parent_asks():
    process = start(0.3, 30)
    with Watch(lambda: {process.pid: "worker"}, every_s=0.02) as watch:
        cpu_s, peak_mb = json.loads(process.stdout.readline())
        process.stdin.write("x")
        process.stdin.close()
        # A zombie, as this does not wait for it.
        process.stdout.read()
    assert process.wait() == 0
    used = watch.usage()["worker"]
    assert used.cpu_s == pytest.approx(cpu_s, abs=0.1)
    assert used.peak_mb == pytest.approx(peak_mb, rel=0.05)


def test_children_are_those_that_a_process_has_started():
    command = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); sys.stdin.read(1); p.kill()"  # noqa: E501
    parent = subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    assert children(parent.pid) == [child]
    parent.communicate("x")
    assert children(parent.pid) == []


def test_nothing_is_there_to_be_watched():
    with Watch(lambda: {2**22 + 1: "none"}, every_s=0.02) as watch:
        pass
    assert watch.usage() == {}


def test_a_zombie_of_before_is_none_of_the_processes():
    process = subprocess.Popen(["true"])
    while "Z (zombie)" not in Path(f"/proc/{process.pid}/status").read_text():
        time.sleep(0.01)
    with Watch(lambda: {process.pid: "worker"}, every_s=0.02) as watch:
        pass
    process.wait()
    assert watch.usage() == {}
