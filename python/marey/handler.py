"""Records of `logging` on the time line."""

import logging

from marey import _core


class Handler(logging.Handler):
    """Puts log records on the current thread's lane, as they are written.

        logging.getLogger().addHandler(marey.Handler())

    What follows a word like `password=` in a message is left out. Costs next to
    nothing while nothing is recorded.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the handler's lock: each thread has a lane of its own."""
        if not _core.is_recording():
            return False
        if self.filter(record):
            self.emit(record)
            return True
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Records it; a message that cannot be made is an error of `logging`."""
        try:
            own = self.formatter is not None
            text = self.format(record) if own else record.getMessage()
            _core.log_record(record.name, record.levelname, text)
        except Exception:
            self.handleError(record)
