"""`imagejudge models`: which models there are, and fetching, checking and removing them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated, Never

import typer
from tqdm import tqdm

from imagejudge.cli.console import console, say, table, warn
from imagejudge.cli.help import Command
from imagejudge.common import system
from imagejudge.common.text import printable
from imagejudge.errors import ModelError
from imagejudge.models import adding, lock, registry, resolve, store
from imagejudge.models.registry import Entry
from imagejudge.prompts import DIRECT

app = typer.Typer(help="Fetch models, check them, choose one.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name, as `imagejudge models list` shows it.")]


@app.command("list", cls=Command)
def list_() -> None:
    """Which models there are, which fit into this machine's memory, and which are here."""
    ours = system.memory()
    state = lock.read_lock()
    shown = table()
    for title in ("model", "size", "memory", "fits", "here", "asked as", "licence"):
        shown.add_column(title, justify="right" if title in ("size", "memory") else "left", overflow="fold")
    for entry in registry.load_registry().values():
        shown.add_row(
            entry.name,
            _gigabytes(entry.bytes) if entry.files else "none",
            _gigabytes(entry.memory),
            _fits(entry.memory, ours) if entry.files else "no",
            _here(entry, state),
            "" if entry.prompt_style == DIRECT else printable(entry.prompt_style),
            printable(entry.licence),
        )
    console(sys.stdout, wrap=True).print(shown)
    say("memory", f"{_gigabytes(ours)} in this machine; sizes and licences are what others say", "bold cyan")


@app.command("pull", cls=Command)
def pull(name: Name) -> None:
    """Fetch a model, or resume where an earlier attempt ended.

    The SHA-256 of its files is pinned at the first pull, and whatever comes later is compared with it. Files are
    kept in the cache of huggingface_hub; HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean there.
    """
    entry = registry.find_entry(name)
    try:
        with _progress(entry) as tell:
            pin = store.pull(entry, tell)
    except KeyboardInterrupt:
        say("interrupted", "what was fetched is kept: run the same command again to resume", "bold yellow")
        raise
    for file, pinned in pin.files.items():
        typer.echo(printable(f"{pinned.sha256[:12]}  {pinned.bytes / 1e9:6,.2f} GB  {file}"))
    if lock.read_lock().default == name:
        say("default", f"{name} is used where no --model is given", "bold cyan")
    if entry.prompt_style != DIRECT:
        warn(
            f"{name} is a guard: it is asked in the form it was trained on. Nobody has run it with imagejudge so far; "
            "`--method threshold` reads its answers as its makers do, yes from one half on"
        )


@app.command("add", cls=Command)
def add(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A repository on the hub.")],
    *,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What to call it. [default: as its repository]")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="The text model. [default: Q4_K_M if it has that]")
    ] = None,
    mmproj: Annotated[
        str | None, typer.Option("--mmproj", metavar="FILE", help="The image encoder. [default: F16 if it has that]")
    ] = None,
) -> None:
    """List a model of your own by what the hub says a repository has.

    The entry goes into models.toml, where its other fields (how it writes boxes, in whose words it is asked) are yours
    to fill in; nothing is fetched yet.
    """
    entry = adding.entry_of(repository, name, model, mmproj)
    adding.add(entry)
    for title, text in (("text model", entry.model), ("image encoder", entry.mmproj), ("licence", entry.licence)):
        say(title, str(text), "bold cyan")
    where = f"in {registry.user_file()}; fetch it with: imagejudge models pull {entry.name}"
    say("added", f"{entry.name} {where}", "bold cyan")


@app.command("verify", cls=Command)
def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A pulled model. [default: all that are pulled]")
    ] = None,
) -> None:
    """Read the files of pulled models again, and compare them with what was pinned."""
    pins = lock.read_lock().pins
    if name is None:
        # What was removed is still pinned, but nothing claims that it is here.
        pins = {model: pin for model, pin in pins.items() if any(path.is_file() for path in pin.paths)}
    elif name in pins:
        pins = {name: pins[name]}
    else:
        resolve.pulled(registry.find_entry(name))  # says what to do
    problems: dict[str, set[str]] = {}
    for model, pin in pins.items():
        for file in store.verify(model, pin):
            typer.echo(printable(f"{file.problem or 'ok':<7}  {file.sha256[:12]}  {model}  {file.name}"))
            if file.problem:
                problems.setdefault(model, set()).add(file.problem)
    if problems:
        hints = [_way_on(model, found) for model, found in problems.items()]
        raise ModelError(f"not as it was pulled: {', '.join(problems)}", "\n".join(hints))


def _way_on(model: str, problems: set[str]) -> str:
    remove = f"remove it with `imagejudge models rm {model}`, then " if "changed" in problems else ""
    return f"{remove}fetch the same files again with `imagejudge models pull {model}`"


@app.command("rm", cls=Command)
def remove(
    name: Name,
    forget: Annotated[
        bool, typer.Option("--forget", help="Also forget its checksums, to trust what is pulled next.")
    ] = False,
) -> None:
    """Delete a model's files. Its checksums stay pinned."""
    freed = store.remove(name, forget=forget)
    typer.echo(f"removed {name}, {freed / 1e9:,.2f} GB freed" if freed else f"no files of {name} were here")


@app.command("default", cls=Command)
def default(name: Name) -> None:
    """Choose the model that is used where no --model is given."""
    resolve.pulled(registry.find_entry(name))
    lock.choose(name)
    typer.echo(f"{name} is used where no --model is given")


def _gigabytes(count: int | None) -> str:
    return "?" if count is None else f"{count / 1e9:,.1f} GB"


def _fits(needed: int | None, ours: int | None) -> str:
    if needed is None or ours is None:
        return "?"
    return "yes" if needed <= ours else "no"


def _here(entry: Entry, state: lock.Lock) -> str:
    if not entry.files:
        return "no"
    pin = state.pin(entry)
    if pin is None or not pin.whole:
        return ""
    return "default" if state.default == entry.name else "yes"


class _Bars:
    """A bar for each file on a terminal, a line for each elsewhere; always on standard error."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._bars: dict[str, tqdm[Never]] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if name not in self._bars:
            if not sys.stderr.isatty():
                say("fetching", f"{name}, {total / 1e9:,.2f} GB", "bold cyan")
            bar: tqdm[Never] = tqdm(total=total, initial=done, desc=name[:24], unit="B", unit_scale=True, disable=None)
            self._bars[name] = self._stack.enter_context(bar)
        # Not what has come since: a server that cannot resume in the middle begins again.
        self._bars[name].update(done - self._bars[name].n)
        if done == total:
            self._bars[name].close()


@contextlib.contextmanager
def _progress(entry: Entry) -> Iterator[_Bars]:
    say("pulling", f"{entry.name} from {entry.repository}, licence: {entry.licence}", "bold cyan")
    with contextlib.ExitStack() as stack:
        yield _Bars(stack)
