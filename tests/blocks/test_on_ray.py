"""What is said where there is no Ray to be had; what a real one does, tests/cli/test_ray.py looks at."""

from __future__ import annotations

import pytest

from imagejudge.blocks import on_ray
from imagejudge.errors import UsageError


@pytest.mark.parametrize("error", [ConnectionError("gone"), Exception("The current node timed out during startup")])
def test_a_ray_that_does_not_start_is_no_bug(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def init(**how: object) -> None:
        raise error

    monkeypatch.setattr(on_ray.ray, "init", init)
    with pytest.raises(UsageError, match=f"Ray cannot be had at local: {error}"), on_ray.connected(on_ray.Cluster()):
        pass
