"""Drafts of rules by a text model, for a person to review: objective texts, chains of preconditions, and the file.

A scan never comes here. What a model drafts is untrusted until the loader and the linter have read it.
"""

from imagejudge.drafting.decompose import decompose
from imagejudge.drafting.document import Document
from imagejudge.drafting.objectify import ENOUGH, objectify
from imagejudge.drafting.revision import DraftRejected, Rating, Revision

__all__ = ["ENOUGH", "Document", "DraftRejected", "Rating", "Revision", "decompose", "objectify"]
