"""Imported by imports_neighbour.py. It has no expectation of its own."""


def helper(n):
    return abs(n)


helper(2)
