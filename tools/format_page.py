"""Whether docs/format.md and the headers of the format say the same numbers.

The page is normative; `src/format/layout.h` and `include/marey/value_tags.h` hold the
same for the compiler. Compared are the places and sizes of both headers' fields, the
kinds of extents, the tags of definitions and values, the ops of events, the classes of
LOG, flags and kinds of functions and lanes, and the limits. What one of the two lacks,
or gives another number, is printed as a line, and the exit status is 1.

Standard library only, well under a second.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "format.md"
LAYOUT = ROOT / "src" / "format" / "layout.h"
TAGS = ROOT / "include" / "marey" / "value_tags.h"

SIZES = {"uint8_t": 1, "char": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8}
PAGE_SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}

# What a row of the page's limits is called in the header. Values nest at most
# VALUE_DEPTH_MAX deep: told in the page's section on blobs.
LIMITS = {
    "extent_size": ["EXTENT_SIZE_MAX"],
    "raw_size": ["PAYLOAD_RAW_MAX"],
    "function and string ids": ["FUNCTION_ID_MAX", "STRING_ID_MAX"],
    "depth of a stack": ["DEPTH_MAX"],
    "open calls": ["OPEN_CALLS_MAX"],
    "processes, lanes": ["PROCESS_MAX", "LANE_MAX"],
    "a name": ["NAME_SIZE_MAX"],
    "arguments of a process": ["ARGV_MAX"],
}

Field = tuple[int, int]  # where it is, how many bytes
Names = dict[str, int]


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def macros(text: str) -> Names:
    """Every `#define MAREY_NAME number`; UINT32_C and shifts are worked out."""
    found: Names = {}
    text = without_comments(text).replace("\\\n", " ")
    for name, value in re.findall(r"#define MAREY_(\w+)[ \t]+(.+)", text):
        plain = re.sub(r"U?INT(?:32|64)_C\((\w+)\)", r"\1", value.strip())
        if re.fullmatch(r"[\dxA-Fa-f()<\-+* ]+", plain):
            found[name] = int(eval(plain, {"__builtins__": {}}))  # digits and signs
    return found


def family(numbers: Names, prefix: str) -> Names:
    return {
        n.removeprefix(prefix): v for n, v in numbers.items() if n.startswith(prefix)
    }


def fields(text: str, struct: str, numbers: Names) -> dict[str, Field]:
    """Where each field is: the structures have no padding, which they assert."""
    body = re.search(
        rf"struct {struct} {{(.*?)\n}};", without_comments(text), re.DOTALL
    )
    assert body is not None, struct
    found: dict[str, Field] = {}
    at = 0
    for kind, name, count in re.findall(r"([\w ]+?) (\w+)(?:\[(\w+)\])?;", body[1]):
        if kind.strip().startswith("struct "):
            inner = fields(text, kind.split()[1], numbers)
            size = sum(field[1] for field in inner.values())
        else:
            size = SIZES[kind.strip()]
        if count:
            size *= (
                int(count) if count.isdigit() else numbers[count.removeprefix("MAREY_")]
            )
        if not name.startswith("reserved"):
            found[name] = (at, size)
        at += size
    return found


def section(page: str, title: str) -> str:
    match = re.search(
        rf"^##+ {re.escape(title)}\n(.*?)(?=^## |^###|\Z)", page, re.M | re.S
    )
    assert match is not None, title
    return match[1]


def table(text: str, first: str) -> Iterator[list[str]]:
    """The rows of the table whose first column is called `first`."""
    match = re.search(rf"^\| {first} \|.*\n\|[-:| ]+\n((?:\|.*\n)+)", text, re.M)
    assert match is not None, first
    for line in match[1].splitlines():
        yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def page_fields(rows: Iterator[list[str]]) -> dict[str, Field]:
    found = {}
    for at, kind, name, *_ in rows:
        count, _, unit = kind.rpartition("×")
        unit = unit.strip()
        size = PAGE_SIZES.get(unit) or int(unit.removesuffix(" bytes"))
        found[name] = (int(at), size * int(count or 1))
    return found


def listed(text: str) -> Names:
    """`1 C function, 2 generator, …` as names in the header's spelling."""
    return {
        re.sub(r"\W+", "_", name.strip()).upper(): int(number)
        for number, name in re.findall(r"(\d+) ([A-Za-z ]+?)(?=[,;:.(]|$| \()", text)
    }


def number(text: str) -> int:
    power = re.fullmatch(r"2\^(\d+)( - 1)?(?: bytes)?", text)
    assert power is not None, text
    return int(2 ** int(power[1])) - (1 if power[2] else 0)


def limits(page: str) -> Names:
    found: Names = {}
    for what, most in table(section(page, "9. Limits"), "what"):
        values = [number(value.strip()) for value in most.split(",")]
        names = LIMITS.get(what, [what])
        found |= dict(zip(names, values * len(names), strict=False))
    nest = re.search(r"Values nest at most (\d+) deep", page)
    assert nest is not None
    return found | {"VALUE_DEPTH_MAX": int(nest[1])}


def sentence(page: str, start: str) -> str:
    match = re.search(rf"{re.escape(start)}:? (.*?)\.(?:\s|$)", page, re.S)
    assert match is not None, start
    return match[1].replace("\n", " ")


def ops(page: str) -> Names:
    found: Names = {}
    for code, name, *_ in table(section(page, "3. Events (kind 2)"), "op"):
        if name:
            found[name.rstrip("*")] = int(code.removesuffix("+n"), 16)
        else:
            least, most = code.split("–")
            found |= {"SIZED_MIN": int(least, 16), "SIZED_MAX": int(most, 16)}
    return found


def value_tags(page: str) -> set[int]:
    rows = table(section(page, "4. Blobs (kind 4)"), "tag")
    return {int(tag) for row in rows for tag in row[0].split(",")}


def pairs() -> Iterator[tuple[str, object, object]]:
    """What is compared: what it is, as the page has it, as the header has it."""
    page, layout = PAGE.read_text(encoding="utf-8"), LAYOUT.read_text(encoding="utf-8")
    numbers = macros(layout)
    whole = section(page, "1.2 Extent header")
    yield (
        "file header",
        page_fields(table(section(page, "1.1 File header"), "at")),
        fields(layout, "marey_file_header", numbers),
    )
    yield (
        "extent header",
        page_fields(table(whole, "at")),
        fields(layout, "marey_extent_header", numbers),
    )
    kinds = next(row for row in table(whole, "at") if row[2] == "kind")[3]
    kinds_here = {"PAD", "EVENTS", "DEFINITIONS", "BLOBS", "SOURCE", "PACKED", "INDEX"}
    kinds_here.add("LEFT_OUT")
    extents = family(numbers, "EXTENT_")
    yield (
        "extents",
        listed(kinds),
        {n: v for n, v in extents.items() if n in kinds_here},
    )
    definitions = {
        name: int(tag)
        for tag, name, _ in table(section(page, "2. Definitions (kind 3)"), "tag")
    }
    yield "definitions", definitions, family(numbers, "DEF_")
    yield "ops", ops(page), family(numbers, "OP_")
    classes = {int(row[0]) for row in table(page, "class")}
    yield "classes of LOG", classes, set(family(numbers, "LOG_").values())
    tags = re.findall(
        r"\bMAREY_VALUE_(?!TAGS_H)\w+", without_comments(TAGS.read_text("utf-8"))
    )
    yield "tags of values", value_tags(page), set(range(1, len(tags) + 1))
    flags = listed(sentence(page, "FUNCTION flags"))
    flags["C"] = flags.pop("C_FUNCTION")
    flags["ASYNC_GENERATOR"] = flags.pop("ASYNCHRONOUS_GENERATOR")
    functions = family(numbers, "FUNCTION_")
    functions.pop("ID_MAX")
    yield "flags of functions", flags, functions
    lanes = listed(sentence(page, "LANE kinds"))
    yield "kinds of lanes", lanes, {name: numbers[f"LANE_{name}"] for name in lanes}
    most = limits(page)
    yield "limits", most, {name: numbers.get(name) for name in most}


def differences() -> Iterator[str]:
    for what, page, header in pairs():
        if page == header:
            continue
        if isinstance(page, dict) and isinstance(header, dict):
            for name in sorted(page.keys() | header.keys()):
                if page.get(name) != header.get(name):
                    yield (
                        f"{what}: {name}: the page says {page.get(name)}, "
                        f"the header {header.get(name)}"
                    )
        else:
            yield f"{what}: the page says {page}, the header {header}"


def main() -> int:
    found = list(differences())
    for line in found:
        print(f"docs/format.md: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
