"""What tests of real services share."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.support.docker_engine import Engine, NoEngineError, living_engine

HERE = Path(__file__).parent
# The SDK does not close a socket that could not be connected; it is found in whichever test of this
# directory the garbage is collected.
UNCLOSED = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(UNCLOSED)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """A private Docker engine with the image `tests.support.docker_engine.IMAGE`."""
    try:
        with living_engine() as engine:
            yield engine
    except NoEngineError as error:
        pytest.skip(f"no Docker engine: {error}")
