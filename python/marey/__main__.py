"""`python -m marey` and the command `marey`."""

import sys


def main() -> int:
    """Runs the command line; returns the exit status."""
    from marey import cli

    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
