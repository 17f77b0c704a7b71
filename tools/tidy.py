"""The rules of the code that no compiler checks; `make check` runs them.

Who may include whom is the first of them: data flows from the interpreter through the
file to the reader, and each module sees only the faces (`include/marey/*.h`) that the
table grants it. A new edge needs an argument in ARCHITECTURE.md before a line here. The
rooms of the viewer have a table of their own.

The rest keeps files short enough to be read, refuses functions that overrun buffers or
swallow errors, debts without an owner, and names of one machine or one network.

Prints one line for each break, `file:line: what`, and exits 1 if there is any. Standard
library only, well under a second.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

# Module: the modules whose faces it may include. Its own face and headers, and those of
# `base`, are always allowed.
FACES_ALLOWED: dict[str, set[str]] = {
    "base": set(),
    "format": set(),
    "capture": {"format"},
    "query": {"format"},
    "export": {"query"},
    "raster": {"query"},
    "wasm": {"format", "query", "raster"},
    "python": {"capture", "query", "export", "raster"},
}

# The same for the rooms of python/ext; module.c, tracer.h and pycompat.h are in none.
EXT_ALLOWED: dict[str, set[str]] = {
    "control": set(),
    "hooks": {"logs"},
    "logs": {"values"},
    "marks": {"values"},
    "reading": set(),
    "show": {"values"},
    "values": set(),
}

# A face is named after its module (format.h, format_put.h), but for these.
FACE_OWNERS = {
    "status": "base",
    "value": "base",
    "lod": "query",
    "answer": "query",
    "history": "query",
    "transactions": "query",
}

# The same for the rooms of viewer/src: base is maths and texts, model is pure, data
# fetches, view draws, ui holds the document's elements.
ROOMS_ALLOWED: dict[str, set[str]] = {
    "base": set(),
    "model": {"base"},
    "data": {"base", "model"},
    "view": {"base", "model", "data"},
    "ui": {"base", "model", "data", "view"},
    "main": {"base", "model", "data", "view", "ui"},
}
# Only these may name the browser's document.
ROOMS_OF_DOCUMENT = {"data", "view", "ui", "main"}

FILE_LINES_MAX = 1000
VIEWER_FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 88

C = {".c", ".h"}
SOURCES = C | {".py", ".pyi", ".ts"}
TEXTS = SOURCES | {".md", ".toml", ".build", ".options", ".json", ".html", ".css"}

# These words are put together from pieces, so that this file passes its own rules.
DEBT = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")
UNSAFE_CALL = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|gets)\s*\(")
MACHINE_PATH = re.compile(r"(?<![\w.*$}\])])/(?:root|home|Users)/\w")
REGISTRY_HOST = re.compile(
    r"\b(?:"
    + "|".join(
        (
            r"pypi\." + r"(?:org|io)",
            r"files\.python" + r"hosted\.org",
            r"registry\.npm" + r"js\.org",
            r"registry\.yarn" + r"pkg\.com",
            r"(?:deb|ftp|security|snapshot)\." + r"debian\.org",
            r"crates" + r"\.io",
        )
    )
    + r")\b"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
IMPORT = re.compile(r"""(?:^|\})[^'"]*?\bfrom\s+['"]([^'"]+)['"]""")
DOCUMENT = re.compile(r"\b(?:document|localStorage|navigator)\.")
BLOCK_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)

# Programs that are recorded in tests; their oddities are the point.
UNJUDGED = ("tests/programs/", "tests/golden/", "tests/corrupt/", "tests/fuzz/corpus/")


def tracked_files() -> list[str]:
    """Files git knows or would add, so that a new file is judged before its commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    names = sorted(set(listed.stdout.split("\0")) - {""})
    return [name for name in names if (ROOT / name).is_file()]


def face_owner(name: str) -> str:
    """The module behind a face: format.h and format_put.h are both faces of format."""
    word = PurePosixPath(name).stem.split("_")[0]
    return FACE_OWNERS.get(word, word)


def module_of(name: str) -> str | None:
    """The row of the table that a file answers to; tests and benchmarks have none."""
    parts = PurePosixPath(name).parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ("python", "ext"):
        return "python"
    if parts[:2] == ("include", "marey"):
        return face_owner(name)
    return None


def include_break(name: str, module: str, target: str, quoted: bool) -> str | None:
    """Why a file of `module` may not include `target`; None if it may."""
    if target == "Python.h":
        return None if module == "python" else "only python/ext includes Python.h"
    folders = PurePosixPath(target).parts[:-1]
    if not folders:
        return None
    folder = folders[0]
    if folders == ("marey",):
        owner = face_owner(target)
        allowed = {module, "base"} | FACES_ALLOWED[module]
        return None if owner in allowed else f"{module} may not use {owner}: {target}"
    if module == "python" and folder in EXT_ALLOWED:
        room = PurePosixPath(name).parts[2]  # of a file in no room: its own name
        allowed = {room} | EXT_ALLOWED.get(room, set(EXT_ALLOWED))
        return None if folder in allowed else f"{room} may not use {folder}: {target}"
    if quoted and folder not in (module, "base"):
        return f"{target} is private to {folder}; include a face of it"
    return None


def check_includes(name: str, lines: list[str]) -> Iterator[tuple[int, str]]:
    module = module_of(name)
    if module is None:
        return
    if module not in FACES_ALLOWED:
        yield 1, f"module {module} has no row in the table of tools/tidy.py"
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            target, quoted = match[1] or match[2], match[1] is not None
            reason = include_break(name, module, target, quoted)
            if reason:
                yield number, reason


def check_functions(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Functions as clang-format lays them out: `{` and `}` alone in column one."""
    start = 0
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            count = number - start - 1
            if count > FUNCTION_LINES_MAX:
                yield start, f"function of {count} lines (limit {FUNCTION_LINES_MAX})"
            start = 0


def without_comments(text: str) -> str:
    """The code with comments blanked and every line where it was."""
    return BLOCK_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)


def check_c(name: str, text: str, lines: list[str]) -> Iterator[tuple[int, str]]:
    yield from check_includes(name, lines)
    yield from check_functions(lines)
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        match = UNSAFE_CALL.search(line)
        if match:
            yield number, f"{match[1]}() is refused; use a bounded form"
    if name.endswith(".h") and not text.lstrip().startswith("/*"):
        yield 1, "a header opens with a comment that says what it is"


def room_of(name: str) -> str | None:
    """The room of a file of the viewer: a folder, or `main`; None: it is none."""
    parts = PurePosixPath(name).parts
    if parts[:2] != ("viewer", "src"):
        return None
    return parts[2] if len(parts) > 3 else "main"


def check_viewer(name: str, lines: list[str]) -> Iterator[tuple[int, str]]:
    room = room_of(name)
    if room is None:
        return
    if room not in ROOMS_ALLOWED:
        yield 1, f"room {room} has no row in the table of tools/tidy.py"
        return
    if not lines or not lines[0].startswith("/**"):
        yield 1, "a file of the viewer opens with a comment that says what it is"
    if len(lines) > VIEWER_FILE_LINES_MAX:
        yield len(lines), f"file of {len(lines)} lines (limit {VIEWER_FILE_LINES_MAX})"
    is_test = name.endswith(".test.ts")
    for number, line in enumerate(lines, 1):
        match = IMPORT.search(line)
        if match and not match[1].startswith("."):
            if not (is_test and match[1].startswith("node:")):
                yield number, f"the viewer has no dependencies: {match[1]}"
        elif match:
            parts = PurePosixPath(match[1]).parts
            there = next((part for part in parts if part in ROOMS_ALLOWED), room)
            if there not in ROOMS_ALLOWED[room] | {room}:
                yield number, f"{room} may not import {there}: {match[1]}"
        if room not in ROOMS_OF_DOCUMENT and DOCUMENT.search(line):
            yield number, f"{room} is pure: it may not name the document"


def check_text(name: str, lines: list[str]) -> Iterator[tuple[int, str]]:
    is_source = PurePosixPath(name).suffix in SOURCES
    if is_source and len(lines) > FILE_LINES_MAX:
        yield len(lines), f"file of {len(lines)} lines (limit {FILE_LINES_MAX})"
    for number, line in enumerate(lines, 1):
        code = re.sub(r"  # (?:noqa|type: ignore).*", "", line) if is_source else ""
        if len(code) > COLUMNS_MAX:
            yield number, f"{len(line)} columns (limit {COLUMNS_MAX})"
        if DEBT.search(line):
            yield number, "a debt without an owner: do it, or file an issue"
        if MACHINE_PATH.search(line):
            yield number, "names a path of one machine"
        if REGISTRY_HOST.search(line):
            yield number, "names the host of a package registry"


def check_headers_used(texts: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """A header that nothing includes is dead, or a face that no one needs yet."""
    included = set()
    for name, text in texts.items():
        for line in text.splitlines():
            match = INCLUDE.match(line)
            if match:
                target = match[1] or match[2]
                included.add(PurePosixPath(target).name)
                included.add(str(PurePosixPath(name).parent / target))
    for name in texts:
        if name.endswith(".h") and PurePosixPath(name).name not in included:
            yield name, 1, "nothing includes this header"


def read_texts() -> dict[str, str]:
    texts = {}
    for name in tracked_files():
        path = PurePosixPath(name)
        plain = path.suffix in TEXTS or path.name in ("Makefile", "run")
        script = not path.suffix and path.parts[0] in ("tools", ".ci")
        if (plain or script) and not name.startswith(UNJUDGED):
            texts[name] = (ROOT / name).read_text(encoding="utf-8")
    return texts


def breaks() -> list[str]:
    texts = read_texts()
    in_c = {
        name: text for name, text in texts.items() if PurePosixPath(name).suffix in C
    }
    found = list(check_headers_used(in_c))
    for name, text in texts.items():
        lines = text.splitlines()
        found += [(name, *rest) for rest in check_text(name, lines)]
        if name.endswith(".ts"):
            found += [(name, *rest) for rest in check_viewer(name, lines)]
        if name in in_c:
            found += [(name, *rest) for rest in check_c(name, text, lines)]
    return [f"{name}:{number}: {reason}" for name, number, reason in sorted(found)]


def main() -> int:
    found = breaks()
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
