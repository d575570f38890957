"""Compiles what is written in C into a library beside its sources; all else is in pyproject.toml.

The compiler comes from a wheel, so that a machine needs none.
"""

import subprocess
import sys
from pathlib import Path

from setuptools import Command, Distribution, setup
from setuptools.command.build import build

NATIVE = Path("src/message_tracking/native")
LIBRARY = "kernels.so"


class BuildNative(Command):
    """Compile the library, into the sources (editable) or into the build folder."""

    description = "compile the C sources"
    user_options = ()

    def initialize_options(self) -> None:
        """Begin with what setuptools sets."""
        self.build_lib = None
        self.editable_mode = False

    def finalize_options(self) -> None:
        """Take the build folder over."""
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Compile for any processor of this kind: an image may run on another machine."""
        (library,) = (Path(name) for name in self.get_outputs())
        library.parent.mkdir(parents=True, exist_ok=True)
        flags = ["-std=c11", "-O3", "-mcpu=baseline", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        sources = [str(source) for source in sorted(NATIVE.glob("*.c"))]
        subprocess.run([sys.executable, "-m", "ziglang", "cc", *flags, "-o", str(library), *sources], check=True)

    def get_outputs(self) -> list[str]:
        """Name what is built."""
        if self.editable_mode:
            return [str(NATIVE / LIBRARY)]
        return [str(Path(str(self.build_lib)) / "message_tracking" / "native" / LIBRARY)]

    def get_output_mapping(self) -> dict[str, str]:
        """Say that nothing is linked to a source."""
        return {}

    def get_source_files(self) -> list[str]:
        """Name the sources."""
        return [str(source) for source in sorted(NATIVE.glob("*.c"))]


class PlatformDistribution(Distribution):
    """A wheel of this package is for one platform."""

    def has_ext_modules(self) -> bool:
        """Say so."""
        return True


build.sub_commands = [*build.sub_commands, ("build_native", None)]
setup(distclass=PlatformDistribution, cmdclass={"build_native": BuildNative})
