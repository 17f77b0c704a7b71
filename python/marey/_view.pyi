"""What the page and the pictures are made of; in C."""

def open(path: str) -> tuple[bytes, bytes]:  # noqa: A001
    """The names (JSON) and the index of a trace."""

def coarse(path: str, sample_events: int) -> tuple[bytes, bytes] | None:
    """The same, of a sample of so many events; None where open() is as quick."""

def picture(path: str, width: int, is_dark: bool) -> bytes:
    """The whole time line as a PNG."""
