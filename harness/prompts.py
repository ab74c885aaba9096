"""The prompts of the protocol."""

from __future__ import annotations

from collections.abc import Sequence

TEMPLATE = "a photo of a {subject}"
FAR, NEAR = ("a far away ", "a very small "), ("a zoomed in ", "a close up ")  # instead of "a ", of rescaled images


def class_prompt(category: str) -> str:
    """'a photo of a X': any member of the category, under which prior preservation trains."""
    return TEMPLATE.format(subject=category)


def prompt_for(token: str, category: str, category_word: bool) -> str:
    """'a photo of a V* X', or 'a photo of a V*' for methods that leave the category word out."""
    return TEMPLATE.format(subject=f"{token} {category}" if category_word else token)


def edited_prompt(prompt: str, edit: str) -> str:
    """'a photo of a V* X at night'."""
    return f"{prompt} {edit}"


def composed_prompt(template: str, tokens: Sequence[str], categories: Sequence[str], category_word: bool) -> str:
    """Several concepts in one prompt: 'a photo of {0} next to {1}' with 'V* X' (or 'V*') for each of them."""
    subjects = [f"{t} {c}" if category_word else t for t, c in zip(tokens, categories, strict=True)]
    return template.format(*subjects)
