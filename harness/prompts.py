"""The prompts of the protocol."""

from __future__ import annotations

TEMPLATE = "a photo of a {subject}"


def class_prompt(category: str) -> str:
    """'a photo of a X': any member of the category, under which prior preservation trains."""
    return TEMPLATE.format(subject=category)


def prompt_for(token: str, category: str, category_word: bool) -> str:
    """'a photo of a V* X', or 'a photo of a V*' for methods that leave the category word out."""
    return TEMPLATE.format(subject=f"{token} {category}" if category_word else token)
