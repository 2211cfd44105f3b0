"""What tests of real services share."""

from collections.abc import Iterator

import pytest
from tests.support.docker_engine import Engine, NoEngineError, living_engine


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """A private Docker engine with the image `tests.support.docker_engine.IMAGE`."""
    try:
        with living_engine() as engine:
            yield engine
    except NoEngineError as error:
        pytest.skip(f"no Docker engine: {error}")
