"""The package, for Beam workers (`--setup_file`) and the image; metadata is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist


class SdistForWorkers(sdist):
    """A source package that asks for no other.

    A worker installs it with pip, which refuses every TFX beside the tensorflow-hub that works
    with TensorFlow >= 2.16 (uv.lock overrides that pin). The workers' image brings the libraries.
    """

    def run(self):
        """Distutils' hook."""
        self.distribution.install_requires = []
        self.distribution.extras_require = {}
        self.distribution._finalize_requires()
        super().run()

    def make_release_tree(self, base_dir, files):
        """Distutils' hook: copies the files, then takes the dependencies out of pyproject.toml."""
        super().make_release_tree(base_dir, files)
        target = Path(base_dir, "pyproject.toml")
        text = target.read_text(encoding="utf-8")
        bare = re.sub(r"(?ms)^dependencies = \[\n.*?^\]\n", "", text)
        bare = re.sub(r"(?ms)^\[project\.optional-dependencies\]\n.*?(?=^\[)", "", bare)
        # It is a hard link to the project's own.
        target.unlink()
        target.write_text(bare, encoding="utf-8")


setup(cmdclass={"sdist": SdistForWorkers})
