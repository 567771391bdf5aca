"""Every word that is sent to a model about an image, and the grammars its replies must follow.

Knows nothing of models, images or rules.
"""

from imagejudge.prompts.boxes import BOX_STYLES, BoxStyle
from imagejudge.prompts.question import Kind, Question, beside, rules_subject, visible
from imagejudge.prompts.shipped import DIRECT, PROMPT_STYLES, find_prompt_style
from imagejudge.prompts.style import PromptStyle
from imagejudge.prompts.wording import HOUSE, PROMPT_VERSION, RATING, RATIONALE, SUMMARISE, WORDING, direct

__all__ = [
    "BOX_STYLES",
    "DIRECT",
    "HOUSE",
    "PROMPT_STYLES",
    "PROMPT_VERSION",
    "RATING",
    "RATIONALE",
    "SUMMARISE",
    "WORDING",
    "BoxStyle",
    "Kind",
    "PromptStyle",
    "Question",
    "beside",
    "direct",
    "find_prompt_style",
    "rules_subject",
    "visible",
]
