"""YAML whose every fault is a YAMLError that says where: also doubled keys and values that are none."""

from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise ComposerError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            raise ConstructorError(None, None, f"this cannot be read ({error})", node.start_mark) from error


def load_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """Return what a text of one document says, and its tree, which knows the lines. Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        tree = loader.get_single_node()
        return None if tree is None else loader.construct_document(tree), tree
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    finally:
        loader.dispose()
