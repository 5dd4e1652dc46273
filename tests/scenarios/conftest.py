"""What tests of scenarios share."""

import psutil
import pytest


@pytest.fixture
def no_process_left():
    """Hold the test to leave no process behind that it started."""
    before = {child.pid for child in psutil.Process().children()}
    yield
    left = [child for child in psutil.Process().children() if child.pid not in before]
    assert left == []
