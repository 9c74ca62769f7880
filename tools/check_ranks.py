#!/usr/bin/env python3
"""Checks the layering: a module includes only modules of lower rank, and never what its line in
ARCHITECTURE.md forbids. The module table there is the only place where ranks are written."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `(\w+)/` \| (\d+) \|[^|]*\|([^|]*)\|")
INCLUDE = re.compile(r'^#include "(\w+)/[^"]+"', re.M)


def table():
    """{module: (rank, set of forbidden modules)} from ARCHITECTURE.md."""
    modules = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        if m := ROW.match(line):
            never = re.search(r"never ([\w/`, ]+)", m[3])
            names = set(re.findall(r"(\w+)/", never[1])) if never else set()
            modules[m[1]] = (int(m[2]), names)
    return modules


def problems(modules):
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        rel = path.relative_to(ROOT / "src")
        module = rel.parts[0] if len(rel.parts) > 1 else "main"
        if module != "main" and module not in modules:
            yield f"{rel}: module {module}/ is not in ARCHITECTURE.md's table"
            continue
        rank, never = modules.get(module, (99, set()))
        for other in INCLUDE.findall(path.read_text()):
            if other == module:
                continue
            if other not in modules:
                yield f"{rel}: includes unknown module {other}/"
            elif other in never:
                yield f"{rel}: {module}/ may never include {other}/"
            elif modules[other][0] >= rank:
                yield f"{rel}: {module}/ (rank {rank}) includes {other}/ (rank {modules[other][0]})"


def main():
    modules = table()
    if not modules:
        sys.exit("check_ranks: no module table found in ARCHITECTURE.md")
    found = list(problems(modules))
    print("\n".join(found))
    if found:
        sys.exit(f"check_ranks: {len(found)} problems")
    print(f"check_ranks: {len(modules)} modules, layering holds")


main()
