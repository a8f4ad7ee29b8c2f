"""How our processes start."""

import gc

import pytest

from components.process import importing


def test_no_garbage_is_collected_while_modules_are_imported_and_afterwards_it_is():
    assert gc.isenabled()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_also_after_an_import_that_failed():
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()
