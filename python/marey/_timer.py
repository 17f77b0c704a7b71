"""`record(every=…, for_=…)`: short recordings, one after the other, each a trace."""

# ruff: noqa: PTH108, PTH116

import os

from marey import _core
from marey._errors import MareyError
from marey._options import Options


class Timer:
    """What the timer's thread calls. Runs only code of this package."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stem = options.path.removesuffix(".marey")
        self._count = 0
        self._made: list[str] = []
        self.is_over = False
        self.trouble = ""
        """Why the last recording could not start; empty: it did."""

    def turn(self, on: bool) -> None:
        """Begins a recording, or ends it."""
        if on:
            self._begin()
        else:
            self.end()

    def forked(self) -> None:
        """In a forked child, where no timer runs: nothing is recorded."""
        if not self.is_over:
            self.is_over = True
            _core.stop()

    def _begin(self) -> None:
        from marey.recording import start

        path = self._name()
        try:
            start(self._options.replace(path=path), join=False, wait_for_main=False)
        except MareyError as error:
            self.trouble = str(error)
            return
        self.trouble = ""
        self._made.append(path)

    def end(self) -> None:
        """Ends the one that is on, and removes the oldest where all are too large."""
        if not self._made or _core.recording_path() != self._made[-1]:
            return
        _core.stop()
        sizes = [self._size(path) for path in self._made]
        while len(self._made) > 1 and sum(sizes) > (self._options.keep_max or 1 << 62):
            try:
                os.unlink(self._made[0])
            except OSError:
                pass  # moved away meanwhile: no longer ours
            del self._made[0], sizes[0]

    def _name(self) -> str:
        while True:
            self._count += 1
            path = f"{self._stem}-{self._count}.marey"
            if not os.path.lexists(path):
                return path

    def _size(self, path: str) -> int:
        try:
            return os.stat(path).st_size
        except OSError:
            return 0
