"""Command-line options about probes: which rules need not be asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """Which probes leave rules out, and how surely."""

    probe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Probes of `distill`: a rule is not asked where its probe says certainly not.",
            rich_help_panel="Probes",
        ),
    ] = None
    skip_below: Annotated[
        float | None,
        typer.Option(
            metavar="RECALL",
            min=0.01,
            max=0.9999,
            help="The share of all violations that has to be asked about all the same, such as 0.95.",
            rich_help_panel="Probes",
        ),
    ] = None
    audit: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=1,
            help="Ask so many images in full, drawn at random, to measure what the probes miss.",
            rich_help_panel="Probes",
        ),
    ] = 0.0

    def for_judge(self) -> dict[str, Any]:
        """The same as `Judge` takes it: the file is read, so that another machine need not have it."""
        from imagejudge.judge.probe_file import read_probes

        probes = None if self.probe is None else read_probes(self.probe)
        return {"probe": probes, "skip_below": self.skip_below, "audit": self.audit}
