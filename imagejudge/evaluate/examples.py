"""Images whose folder says what they are."""

from __future__ import annotations

from collections.abc import Iterator

from imagejudge.errors import UsageError
from imagejudge.images.find import find_images
from imagejudge.images.names import is_shard


def images_below(folder: str) -> Iterator[str]:
    """Paths of the images in a folder, or at its address, ignored ones too. Raises `UsageError` for a shard."""
    for ref in find_images([folder], respect_gitignore=False):
        if is_shard(ref.path):
            raise UsageError(
                f"{ref.path} holds many images, where each should be a file",
                "unpack it, or take it out; `webdataset` and `huggingface` read labels from such files",
            )
        yield ref.path
