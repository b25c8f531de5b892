"""Check that SQL parses as Amazon Redshift's.

Reads a JSON array of {"name": ..., "sql": ...} on stdin, one statement or several in each `sql`, and fails
naming every one that sqlfluff's redshift dialect cannot parse. The Data API's named parameters (`:name`) are
replaced by literals first, as sqlfluff does not know them there.
"""

import json
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache

from sqlfluff.core import FluffConfig, Linter

# What may hold a colon that is no parameter comes first, so that it is passed over as a whole. Redshift's
# string literals know the backslash as an escape.
TOKEN = re.compile(
    r"""
      (?P<string>'(?:[^'\\]|\\.|'')*')
    | "(?:[^"]|"")*"                  # quoted name
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ # body of a procedure
    | --[^\n]*                        # comment
    | /\*.*?\*/                       # comment
    | ::                              # cast
    | :=                              # assignment
    | (?P<parameter>:[0-9A-Za-z_]+)
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r"\\.", re.DOTALL)
LITERAL = "'0'"
# Below this many statements starting processes costs more than it saves.
ENOUGH_FOR_PROCESSES = 8


def with_literals(sql: str) -> str:
    """Replace the named parameters of `sql`; nothing inside strings, quoted names, bodies and comments.

    Escapes in strings become plain characters, because sqlfluff takes the backslash for one too.
    """

    def replacement(token: re.Match[str]) -> str:
        if token["parameter"]:
            return LITERAL
        return ESCAPE.sub("__", token[0]) if token["string"] else token[0]

    return TOKEN.sub(replacement, sql)


@cache
def linter() -> Linter:
    # The templater would read braces in the SQL as its own; the limit would skip long statements silently.
    overrides = {"dialect": "redshift", "templater": "raw", "large_file_skip_byte_limit": 0}
    return Linter(config=FluffConfig(overrides=overrides, ignore_local_config=True))


def faults(statement: dict[str, str]) -> list[str]:
    """What is wrong with one statement, each fault with the place and the text."""
    name, sql = statement["name"], with_literals(statement["sql"])
    if not sql.strip():
        return [f"{name}: no SQL"]
    parsed = linter().parse_string(sql)
    found = [f"{name}: {fault.desc()} (line {fault.line_no}, column {fault.line_pos})" for fault in parsed.violations]
    if not found and parsed.tree is None:
        return [f"{name}: not parsed"]
    return found or [f"{name}: unparsable: {part.raw}" for part in parsed.tree.recursive_crawl("unparsable")]


def main() -> int:
    statements = json.load(sys.stdin)
    if not isinstance(statements, list) or not statements:
        print("sqlfluff_check: stdin holds no statements", file=sys.stderr)
        return 2
    if len(statements) < ENOUGH_FOR_PROCESSES:
        results = list(map(faults, statements))
    else:
        with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
            results = list(pool.map(faults, statements, chunksize=4))
    found = [fault for result in results for fault in result]
    for fault in found:
        print(fault, file=sys.stderr)
    failed = sum(bool(result) for result in results)
    print(f"sqlfluff: {len(statements)} statements, {failed} do not parse as Redshift's")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
