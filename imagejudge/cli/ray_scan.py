"""`imagejudge scan --ray`: blocks judged by actors."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from imagejudge.blocks.manifest import Manifest
from imagejudge.blocks.parts import Parts
from imagejudge.blocks.plan import Block
from imagejudge.blocks.work import Done, Work
from imagejudge.cli.block_options import BlockOptions
from imagejudge.cli.block_scan import Judging
from imagejudge.cli.console import warn
from imagejudge.cli.signals import watch_preemption, watch_signals
from imagejudge.common.extras import how_to_install
from imagejudge.common.text import clock
from imagejudge.errors import UsageError
from imagejudge.images.names import Unread
from imagejudge.judge.judge import Judge

_NAMED = 3
"""So many of the blocks that are open for longest are named on the bar."""


def on_ray(how: BlockOptions, folder: Path, make: Callable[..., Judge], work: Work, unread: Counter[Unread]) -> Judging:
    """Judge blocks on a Ray cluster; every actor makes its own `Judge`. Raises `UsageError` where Ray is missing."""
    try:
        from imagejudge.blocks.on_ray import Cluster, connected, judged
    except ModuleNotFoundError as error:
        raise UsageError("--ray needs Ray, which is not installed", how_to_install("ray")) from error
    cluster = Cluster(how.ray or "", how.actors, how.cpus_per_actor, how.gpus_per_actor)

    def judging(
        manifest: Manifest, blocks: Sequence[Block], parts: Parts, bar: tqdm[Any]
    ) -> Generator[Done, None, None]:
        began, images, told = time.monotonic(), 0, set[str]()

        def tell(open_blocks: Mapping[int, float]) -> None:
            oldest = sorted(open_blocks.items(), key=lambda item: -item[1])[:_NAMED]
            names = ", ".join(f"{number} ({clock(seconds)})" for number, seconds in oldest)
            bar.set_postfix_str(f"{images / (time.monotonic() - began):.1f} images/s, open: {names}")

        if not blocks:
            return
        with connected(cluster) as actors:
            watch_signals()  # Ray has put handlers of its own in their place
            watch_preemption()
            worker = (folder.absolute(), manifest, Path.cwd(), make, work)
            with contextlib.closing(judged(blocks, parts, cluster, actors, worker, tell)) as results:
                for done in results:
                    for message in {*done.warnings} - told:
                        warn(message)
                    told.update(done.warnings)
                    unread.update(done.passed_over)
                    images += done.stats.images if done.stats else 0
                    yield done

    return judging
