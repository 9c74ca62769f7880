#!/usr/bin/env python3
"""Writes the tables of docs/configuration.md, docs/api.md and docs/operations.md from the code, between the
markers there, and looks whether docs/operations.md explains every error that the server may log. With --check
it only says whether they are up to date (part of ./run test)."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CALL = re.compile(r"\b([A-Z_]+)\(((?:[^()\"]|\"(?:\\.|[^\"\\])*\")*)\)", re.M | re.S)


def calls(path):
    """(macro, [arguments]) of every X-macro line; adjacent strings are one argument."""
    # The preprocessor knows comments and the table's own helper macros.
    text = subprocess.run(["cc", "-E", "-P", "-x", "c", ROOT / path], check=True,
                          capture_output=True, text=True).stdout
    for m in CALL.finditer(text):
        yield m[1], [argument(a) for a in split(m[2])]


def split(text):
    out, depth, quoted, at = [], 0, False, 0
    for i, c in enumerate(text):
        if c == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif not quoted and c == ",":
            out.append(text[at:i])
            at = i + 1
    return out + [text[at:]]


def argument(text):
    strings = re.findall(r'"((?:\\.|[^"\\])*)"', text)
    return "".join(strings).replace('\\"', '"') if strings else text.strip()


def number(text):
    """A C constant like 512LL << 20."""
    value, _, shift = text.replace("L", "").partition("<<")
    return int(value) << int(shift or 0)


def time(ms):
    for unit, size in (("d", 86400000), ("h", 3600000), ("m", 60000)):
        if ms >= 2 * size and ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms // 1000}s"


def settings():
    yield "| setting | environment variable | default | what it does |"
    yield "|---|---|---|---|"
    for macro, a in calls("src/conf/settings.def"):
        default = "" if macro in ("SETTING_SECRET", "SETTING_LIST") else a[-2]
        if macro == "SETTING_TIME":
            default = time(number(default))
        if macro == "SETTING_BYTES":
            default = f"{number(default) >> 20} MiB"
        default = "" if default == "NULL" else default
        flag = a[0].replace("_", "-")
        yield f"| `--{flag}` | `TIDEMARK_{a[0].upper()}` | {default} | {a[-1]} |"


def routes():
    yield "| method | path | scope | what it does |"
    yield "|---|---|---|---|"
    for _, a in calls("src/api/routes.def"):
        method = "any" if a[0] == "NULL" else a[0]
        scope = {"NULL": "no key", "": "any key"}.get(a[3]) or a[3].replace("|", " or ")
        yield f"| {method} | `{a[1]}` | {scope} | {a[-1]} |"


METRIC = re.compile(r'\b(?:single|family)\(out, "(\w+)", "(\w+)",\s*"([^"]*)"')
LOG_ERROR = re.compile(r'\blog_error\([^";]*"([^"]*)"')


def metrics():
    yield "| metric | type | what it is |"
    yield "|---|---|---|"
    for m in METRIC.finditer((ROOT / "src/api/metrics.c").read_text()):
        yield f"| `tidemark_{m[1]}` | {m[2]} | {m[3]} |"


def unexplained():
    """Messages of log level error that docs/operations.md says nothing about."""
    text = (ROOT / "docs/operations.md").read_text()
    for path in sorted((ROOT / "src").rglob("*.c")):
        if not path.stem.endswith("_test"):
            for m in LOG_ERROR.finditer(path.read_text()):
                if f"| `{m[1]}` |" not in text:
                    yield f"docs/operations.md does not explain the error '{m[1]}' ({path.name})"


def replaced(path, name, lines):
    text = (ROOT / path).read_text()
    begin, end = f"<!-- {name}: made by tools/docs.py -->\n", f"<!-- end of {name} -->\n"
    if begin not in text or end not in text:
        sys.exit(f"docs: {path} has no markers for '{name}'")
    head, tail = text.split(begin)[0], text.split(end)[1]
    return text, head + begin + "\n".join(lines) + "\n" + end + tail


def main():
    stale = []
    for path, name, lines in (("docs/configuration.md", "settings", settings()),
                              ("docs/api.md", "routes", routes()),
                              ("docs/operations.md", "metrics", metrics())):
        old, new = replaced(path, name, lines)
        if old != new:
            stale.append(path)
            if "--check" not in sys.argv:
                (ROOT / path).write_text(new)
    missing = list(unexplained())
    if missing:
        sys.exit("docs: " + "; ".join(missing))
    if stale and "--check" in sys.argv:
        sys.exit(f"docs: out of date: {', '.join(stale)} (run python3 tools/docs.py)")
    print(f"docs: {'written: ' + ', '.join(stale) if stale else 'up to date'}")


main()
