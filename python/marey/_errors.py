"""The exceptions of Marey.

    MareyError
    ├── UsageError          (ValueError)         an option or argument that cannot be
    ├── RecordingError      (RuntimeError)       recording could not start or go on
    ├── TraceError                               a file that cannot be read as asked
    │   ├── NotATraceError                       it is something else
    │   ├── DamagedError                         its bytes are wrong
    │   └── VersionError                         it was written by a newer Marey
    └── StorageError        (OSError)            the system refused
        └── NotFoundError   (FileNotFoundError)  there is no such file

Every message is one line that names the file and says what to do.
"""


class MareyError(Exception):
    """The root of all errors that Marey raises."""

    __module__ = "marey"


class UsageError(MareyError, ValueError):
    """An option or argument that cannot be."""

    __module__ = "marey"


class RecordingError(MareyError, RuntimeError):
    """Recording could not start, or could not go on."""

    __module__ = "marey"


class TraceError(MareyError):
    """A file that cannot be read as asked."""

    __module__ = "marey"


class NotATraceError(TraceError):
    """The file is something else than a trace."""

    __module__ = "marey"


class DamagedError(TraceError):
    """The bytes of the trace are wrong."""

    __module__ = "marey"


class VersionError(TraceError):
    """The trace was written by a newer Marey."""

    __module__ = "marey"


class StorageError(MareyError, OSError):
    """The system refused; `errno` says why."""

    __module__ = "marey"


class NotFoundError(StorageError, FileNotFoundError):
    """There is no such file."""

    __module__ = "marey"
