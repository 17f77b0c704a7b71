"""`python -m marey` and the command `marey`."""

import sys


def main() -> int:
    """Runs the command line; returns the exit status."""
    try:
        from marey import cli

        return cli.main(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
