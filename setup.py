"""The package, for Beam workers (`--setup_file`) and the image; metadata is in pyproject.toml."""

from setuptools import setup

setup()
