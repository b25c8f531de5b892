#!/usr/bin/env python3
"""Checks contracts against the JSON Schema of the Open Data Contract Standard v3.1.0.

    python odcs_check.py FILE...      YAML or JSON; exit 0: all valid, 1: some are not, 2: wrong usage

The schema is the one inside the PyPI package open-data-contract-standard 3.1.2: the official v3.1.0 file but for one
description and one `deprecated` mark. Pin that version: the schema in 3.2.0 is the one of ODCS 3.2, which takes
`vendor` or a missing `status` and refuses a property that has no `logicalType`.

    pip install open-data-contract-standard==3.1.2 jsonschema==4.26.0 pyyaml==6.0.3

It knows only the standard: `penstock.*` properties are for `penstock check`.
"""

import importlib.resources
import json
import re
import sys
from pathlib import Path

import yaml
from jsonschema import Draft201909Validator

SPEC = "v3.1.0"
# Keywords that also fail at every ancestor of a real fault, and name innocent neighbours there.
CASCADING = ("unevaluatedProperties",)


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2 core scalars, as Rust and most tools read them: `2026-01-02`, `on` and `1:30` are texts."""


CoreLoader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), first)
CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
CoreLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def unique_mapping(loader, node):
    seen = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key in seen:
            fault = "is there twice" if isinstance(key, str) else "is not a text"
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} {fault}", key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


CoreLoader.add_constructor("tag:yaml.org,2002:map", unique_mapping)


def unique_object(pairs):
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"key {twice[0]!r} is there twice")
    return dict(pairs)


def not_json(constant):
    raise ValueError(f"{constant} is not JSON")


def load(path):
    with Path(path).open(encoding="utf-8") as file:
        if path.endswith(".json"):
            return json.load(file, object_pairs_hook=unique_object, parse_constant=not_json)
        return yaml.load(file, Loader=CoreLoader)


def schema():
    text = importlib.resources.files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")
    loaded = json.loads(text)
    if loaded["properties"]["apiVersion"]["default"] != SPEC:
        sys.exit(
            f"odcs_check: the installed schema is not the one of {SPEC}: open-data-contract-standard==3.1.2 has it"
        )
    Draft201909Validator.check_schema(loaded)
    return loaded


def told(error):
    """The errors to show for one: those of the branch that was meant, where that can be told."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        return [error]
    branches = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    here = error.absolute_path

    def meant(inners):
        return not any(e.absolute_path == here and e.validator in ("type", "required", "pattern") for e in inners)

    chosen = [inners for inners in branches.values() if meant(inners)]
    return [shown for inner in chosen[0] for shown in told(inner)] if len(chosen) == 1 else [error]


def reason(error):
    if error.validator == "oneOf" and all("required" in part for part in error.validator_value):
        names = ", ".join(name for part in error.validator_value for name in part["required"])
        return f"exactly one of these is needed: {names}"
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        return "unknown here: " + ", ".join(re.findall(r"'([^']*)'", error.message))
    # A long message opens with the whole instance; what is wrong with it stands at the end.
    return error.message if len(error.message) <= 300 or error.validator == "enum" else "… " + error.message[-300:]


def faults(document, validator):
    errors = [shown for error in validator.iter_errors(document) for shown in told(error)]
    real = [error for error in errors if error.validator not in CASCADING]
    cascading = [error for error in errors if error.validator in CASCADING]

    def caused_below(error):
        path = list(error.absolute_path)
        others = real + [other for other in cascading if len(other.absolute_path) > len(path)]
        return any(list(other.absolute_path)[: len(path)] == path for other in others)

    kept = real + [error for error in cascading if not caused_below(error)]
    return sorted({(error.json_path, reason(error)) for error in kept})


def main(paths):
    if not paths or any(path.startswith("-") for path in paths):
        print(__doc__, file=sys.stderr)
        return 2
    validator = Draft201909Validator(schema())
    wrong = 0
    for path in paths:
        try:
            found = faults(load(path), validator)
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            found = [("$", " ".join(str(error).split()))]
        wrong += bool(found)
        for json_path, why in found:
            print(f"{path}: {json_path}: {why}")
    print(f"odcs {SPEC}: {len(paths) - wrong} of {len(paths)} contracts are valid")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
