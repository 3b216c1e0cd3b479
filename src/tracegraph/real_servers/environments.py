"""Virtual environments of real servers, one folder for each package and version.

python -m tracegraph.real_servers.environments .live      # installs MLflow and Phoenix, 1.7 GB
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Environment:
    """The virtual environment of one version of a server.

    Attributes:
        package: The distribution on PyPI.
        version: Its version.
        requirements: What is installed.
    """

    package: str
    version: str
    requirements: tuple[str, ...]

    def installed_in(self, folder: Path) -> Path | None:
        """Return the Python of the environment, None unless it is complete."""
        python, listed = self._python(folder), self._listed(folder)
        is_complete = listed.exists() and listed.read_text() == self._wanted
        return python if is_complete and python.exists() else None

    def install_in(self, folder: Path, base: Path = Path(sys.executable)) -> Path:
        """Return the Python of the environment, and install it first if it is missing.

        Args:
            folder: The folder of all environments.
            base: The Python that creates the environment.

        Raises:
            CalledProcessError: The installation failed. pip has printed why.
        """
        installed = self.installed_in(folder)
        if installed is not None:
            return installed
        python = self._python(folder)
        subprocess.run([base, "-m", "venv", "--clear", python.parent.parent], check=True)
        pip = "-m", "pip", "install", "--quiet", "--disable-pip-version-check"
        subprocess.run([python, *pip, *self.requirements], check=True)
        self._listed(folder).write_text(self._wanted)
        return python

    @property
    def _wanted(self) -> str:
        return "\n".join(self.requirements)

    def _python(self, folder: Path) -> Path:
        return folder.absolute() / f"{self.package}-{self.version}" / "bin" / "python"

    def _listed(self, folder: Path) -> Path:
        """Return the file that is written at the end of the installation."""
        return self._python(folder).parent.parent / "installed.txt"


MLFLOW = Environment("mlflow", "3.17.2", ("mlflow[auth]==3.17.2",))
PHOENIX = Environment("arize-phoenix", "20.26.1", ("arize-phoenix==20.26.1", "arize-phoenix-client==3.5.0"))


def main() -> None:
    """Install MLflow and Phoenix in the folder that the command line names."""
    for environment in (MLFLOW, PHOENIX):
        sys.stdout.write(f"{environment.package} {environment.version}: {sys.argv[1]}\n")
        sys.stdout.flush()
        environment.install_in(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
