"""A home on a disk of its own that is small: a tmpfs that only the processes started here see."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLI = str(Path(sys.executable).with_name("message-tracking"))
_MOUNT = 'mount -t tmpfs -o mode=755,size="$1" tmpfs "$2" && echo mounted && exec sleep infinity'


class SmallDisk:
    """The disk that is mounted at a folder for one process and for those that are started in its place."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.folder = folder
        self._enter = ["nsenter", f"--target={holder}", "--mount", f"--wd={Path.cwd()}"]
        if os.geteuid():
            self._enter += ["--user", "--preserve-credentials"]

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command that sees the disk, whatever comes of it."""
        return subprocess.run(
            [*self._enter, *command],
            env=os.environ | {"MESSAGE_TRACKING_HOME": str(self.folder)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def tracking(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the product with its home on the disk."""
        return self.run(CLI, *arguments, **environment)

    def fill(self, free: int) -> None:
        """Leave so many bytes free."""
        self.free()
        code = (
            "import os, sys; where, free = sys.argv[1], int(sys.argv[2]); found = os.statvfs(where); "
            "os.posix_fallocate(os.open(where + '/filler', os.O_CREAT | os.O_WRONLY), 0, "
            "found.f_bavail * found.f_frsize - free)"
        )
        self.run(sys.executable, "-c", code, str(self.folder), str(free)).check_returncode()

    def free(self) -> None:
        """Take away what filled it."""
        self.run("rm", "-f", str(self.folder / "filler")).check_returncode()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk at an empty folder; it is gone at the end, with the server that was started on it."""
    # Whoever is not root may mount in a namespace of their own only, and Postgres wants to be run by nobody else.
    as_user = ["--user", "--map-current-user", "--keep-caps"] if os.geteuid() else []
    command = ["unshare", *as_user, "--mount", "sh", "-c", _MOUNT, "sh", size, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "mounted\n"
            disk = SmallDisk(folder, holder.pid)
            yield disk
            disk.tracking("down")
        finally:
            holder.kill()
