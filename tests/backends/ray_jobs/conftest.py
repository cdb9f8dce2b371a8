from collections.abc import Iterator

import pytest

from tests.backends.ray_jobs.dashboard import Dashboard, dashboard_server


@pytest.fixture
def dashboard() -> Iterator[tuple[type[Dashboard], str]]:
    with dashboard_server() as made:
        yield made
