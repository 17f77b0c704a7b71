"""Imported by import_raises.py. It has no expectation of its own."""


def broken():
    return 1 / 0


broken()
