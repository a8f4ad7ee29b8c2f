"""How our processes start."""

import gc
import signal
import subprocess
import sys

import pytest

from components.process import ROOT, importing


def test_no_garbage_is_collected_while_modules_are_imported_and_afterwards_it_is():
    assert gc.isenabled()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_also_after_an_import_that_failed():
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


@pytest.mark.parametrize("first", ["print('first', flush=True)", "print('first', flush=True) / 0"])
def test_a_process_whose_parent_is_gone_does_what_is_first_and_ends(first):
    code = f"""
import time
from components.process import end_with_parent
end_with_parent(lambda: {first})
time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    out, _ = process.communicate(timeout=120)
    assert out == "first\n"
    assert process.returncode == -signal.SIGKILL
