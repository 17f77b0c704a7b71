"""A recording may be stopped below the call that started it, or above."""
import sys

import marey


def start():
    recording = marey.record(sys.argv[1])
    recording.__enter__()
    return recording


def stop(recording):
    recording.__exit__(None, None, None)


def main():
    recording = start()
    abs(1)
    stop(recording)


main()

# expect:
# <module> ... { main ... { start builtins.abs stop ... } }
