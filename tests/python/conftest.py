"""What every test of the package may use."""

import sys
from pathlib import Path

import pytest

# The helpers beside this folder: reference_reader, trace_builder, oracle.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
