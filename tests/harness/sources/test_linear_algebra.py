"""What a plugin's text takes otherwise than torch.linalg means it, and what it takes rightly."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from harness.sources.linear_algebra import linear_algebra_notes
from harness.sources.local_names import imported_names
from harness.sources.source_notes import text_notes

HEAD = "import numpy as np\nimport torch\nfrom torch.linalg import svd\ndef basis(w, r):\n    "


def told(text: str) -> list[str]:
    tree = ast.parse(HEAD + text.replace("; ", "\n    "))
    return [what for _, what in linear_algebra_notes(tree, imported_names(tree))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("U, S, V = torch.linalg.svd(w); return V[:, :r]", "takes columns, V[:, :r], of the third that linalg.svd"),
        ("_, _, V = svd(w, full_matrices=False); return V[:, :4]", "takes columns, V[:, :4]"),
        (
            "v, V = torch.linalg.eigh(w.T @ w); return V[:, :r]",
            "takes the first columns, V[:, :r], of what linalg.eigh",
        ),
        ("v, V = np.linalg.eigh(w.T @ w); return V[:, :r]", "takes the first columns"),
        ("return torch.linalg.norm(w, 1)", "calls torch.linalg.norm(w, 1), which of a matrix is the largest sum"),
        ("return np.linalg.norm(w, ord=1)", "calls np.linalg.norm(w, ord=1)"),
    ],
)
def test_another_convention_is_told(text: str, said: str) -> None:
    (found,) = told(text)
    assert found.startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "U, S, V = torch.linalg.svd(w); return U[:, :r], V[:r]",
        "U, S, V = torch.svd(w); return V[:, :r]",
        "U, S, V = torch.linalg.svd(w); V = V.T; return V[:, :r]",
        "v, V = torch.linalg.eigh(w); return V[:, -r:]",
        "v, V = torch.linalg.eigh(w); return V[:, :-r]",
        "v, V = torch.linalg.eigh(w); V = V.flip(1); return V[:, :r]",
        "v, V = torch.linalg.eigh(w); null_space = V[:, :r]; return null_space",
        "v, smallest = torch.linalg.eigh(w); return smallest[:, :r]",
        "return torch.linalg.norm(w), torch.linalg.norm(w, 1, dim=1), np.linalg.norm(w, axis=1)",
        "return torch.linalg.norm(w.flatten(), 1), torch.linalg.norm(w, 1, 0)",
    ],
)
def test_the_right_one_is_not(text: str) -> None:
    assert told(text) == []


def test_it_is_among_the_notes_of_a_file() -> None:
    content = b"import torch\ndef size(w):\n    return torch.linalg.norm(w, 1)\n"
    (note,) = text_notes(Path("own.py"), content, data_named=False)
    assert note.startswith("own.py, line 3, calls torch.linalg.norm(w, 1), which")
