"""YAML that users write: as `yaml.safe_load` reads it, but a key that is there twice is a mistake."""

from __future__ import annotations

from typing import Any

import yaml


class DoubleKeyError(yaml.MarkedYAMLError):
    """A mapping has a key a second time; of the two values, `yaml.safe_load` would drop the first in silence."""


class _UniqueKeySafeLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise DoubleKeyError(problem=f"'{key.value}' is there a second time", problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """What a YAML text says.

    Raises:
        DoubleKeyError: a mapping has a key twice. yaml.YAMLError: it is no YAML, or asks for more than plain values.
    """
    return yaml.load(text, Loader=_UniqueKeySafeLoader)
