"""How much a method trains, and where that is another tier's: methods in one table shall have comparable budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.spec import Options

PLAIN_TIER = "paper"  # whose defaults are those that an options class has by itself
SHOWN = 4  # methods that a sentence names


@dataclass(frozen=True)
class Trained:
    """One line of a table: the method's name, all its options, and which of them `inherited_budget` names."""

    method: str
    options: Mapping[str, Any]
    inherited: Sequence[str]


def inherited_budget(
    options: Options, tier: str, budget: Sequence[str], given: Iterable[str] = ()
) -> tuple[str, ...]:  # fmt: skip
    """Which options say how much is trained and are the class's plain defaults, though these are another tier's.

    Args:
        budget: the options of the setting that say how much is trained. given: the options that the user set.
    """
    kind = type(options)
    if tier == PLAIN_TIER:
        return ()
    names = [name for name in budget if name in kind.model_fields]
    # a class that says one of them for the tier has thought of the tier, and so has a user
    thought_of = {*kind.tier_defaults.get(tier, {}), *given}
    return () if thought_of.intersection(names) else tuple(names)


def unequal_budgets(lines: Mapping[str, Trained], tier: str, budget: Sequence[str]) -> str:
    """What a reader must know where methods train by the defaults of another tier beside others; empty if nothing.

    Args:
        lines: label -> what it is, of all that stand in one table.
        budget: as of `inherited_budget`, the most telling first.
    """
    said = {label: _words(line, budget) for label, line in lines.items()}
    strangers = [label for label, line in lines.items() if line.inherited]
    sentences: list[str] = []
    for words in dict.fromkeys(said[label] for label in strangers):
        alike = [label for label in strangers if said[label] == words]
        others: dict[str, list[str]] = {}
        for label, other in said.items():
            if label not in strangers and other != words:
                others.setdefault(other, []).append(label)
        if not others:
            continue
        usual, users = max(others.items(), key=lambda item: len(item[1]))
        method, name = lines[alike[0]].method, budget[0]
        value = lines[users[0]].options.get(name)
        sentences.append(
            f"Not the same training: {_listed(alike)} with {words} by plain defaults, which are the {PLAIN_TIER} "
            f"tier's, beside {_listed(users)} with {usual}. To compare like with like: --set {method}.{name}={value}, "
            f"or tier_defaults for {tier} in the class of its options."
        )
    return " ".join(sentences)


def _words(line: Trained, budget: Sequence[str]) -> str:
    return ", ".join(f"{name}={line.options[name]}" for name in budget if name in line.options)


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return ", ".join(labels[:SHOWN]) + more
