#!/usr/bin/env python3
"""Checks what a reader would otherwise have to: banned calls, length of functions and files, an
opening paragraph in every header, formatting (clang-format)."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# call -> (modules or files where it is allowed, what to use instead)
BANNED = {
    r"strcpy|strcat|sprintf|strtok|atoi|strncpy|gets|asctime|localtime": ((), "bounded calls"),
    r"rand|srand|random": ((), "crypto/random.h"),
    r"malloc|calloc|realloc|free|strdup|strndup": (("base/mem.c",), "base/mem.h"),
    r"getenv": (("conf", "base/fault.c", "db/testdb.c"), "conf/"),
    r"time|gettimeofday|clock_gettime": (("base/clock.c", "js"), "base/clock.h"),
    r"printf|puts|putchar": (("cli", "main.c", "db/testdb.c"), "base/log.h"),
}
FUNCTION_MAX = 80
FILE_MAX = 1000


def allowed(rel, where):
    return any(rel == w or rel.startswith(w + "/") for w in where)


def strip(text):
    """Text with comments and strings blanked, line structure kept."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def banned_calls(rel, code):
    for names, (where, instead) in BANNED.items():
        if allowed(rel, where) or rel.endswith("_test.c") or "_bench" in rel:
            continue
        for m in re.finditer(rf"(?<![\w.>]){'(?:' + names + ')'}\s*\(", code):
            yield code.count("\n", 0, m.start()) + 1, f"{m[0].rstrip('( ')}() is banned: {instead}"


def long_functions(text, code):
    lines = code.split("\n")
    original = text.split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            length = i - start + 1
            head = start - 1
            while head > 0 and lines[head].strip() and not lines[head].startswith("}"):
                head -= 1
            reason = any("*/" in l for l in original[max(0, head - 1):start])
            if length > FUNCTION_MAX and not reason:
                yield start + 1, f"function of {length} lines needs its reason in a comment above"
            start = None


def check(path):
    rel = str(path.relative_to(ROOT / "src"))
    text = path.read_text()
    code = strip(text)
    lines = text.count("\n")
    if lines > FILE_MAX:
        yield 1, f"{lines} lines, at most {FILE_MAX}"
    if path.suffix == ".h" and not text.startswith("/*"):
        yield 1, "a header opens with a paragraph: what for, which thread, who owns what"
    yield from banned_calls(rel, code)
    yield from long_functions(text, code)


def unformatted(files):
    run = subprocess.run(["clang-format", "--dry-run", *files], capture_output=True, text=True)
    return sorted({line.split(":")[0] for line in run.stderr.splitlines() if "warning:" in line})


def main():
    files = sorted((ROOT / "src").rglob("*.[ch]"))
    found = [f"src/{f.relative_to(ROOT / 'src')}:{line}: {what}"
             for f in files for line, what in check(f)]
    found += [f"{pathlib.Path(f).relative_to(ROOT)}: not formatted (./run format)"
              for f in unformatted(map(str, files))]
    print("\n".join(found))
    if found:
        sys.exit(f"check_style: {len(found)} problems")
    print(f"check_style: {len(files)} files in order")


main()
