"""Runs one command and says what the whole process cost, by os.wait4.

    python -I -S reap.py TIMEOUT_S LOG COMMAND args...

prints one line: start, end (monotonic nanoseconds), exit status (negative for a
signal), user and system seconds, peak memory in KiB.

It is a program of its own, and imports as little as it can, because Linux counts the
memory that a process had before `exec` towards its peak: started from the driver
itself, a small program would seem as large as the driver.
"""

import os
import signal
import sys
import time


def main() -> None:
    timeout_s, log, *command = sys.argv[1:]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    start_ns = time.monotonic_ns()
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setpgroup=0,
    )
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
    signal.alarm(int(timeout_s))
    _, status, usage = os.wait4(pid, 0)
    end_ns = time.monotonic_ns()

    print(
        start_ns,
        end_ns,
        os.waitstatus_to_exitcode(status),
        usage.ru_utime,
        usage.ru_stime,
        usage.ru_maxrss,
    )


if __name__ == "__main__":
    main()
