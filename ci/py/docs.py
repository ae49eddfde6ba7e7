"""Links of the Markdown pages resolve, and every `cvm` command in them exists with the flags it is given.

usage: docs.py CVM
"""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CARGO_RUN = re.compile(r"^cargo run\b.*? -- ")


def anchors(page: Path) -> set[str]:
    """The fragments that the headings of a page answer to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    text = FENCE.sub("", page.read_text())
    faults = []
    for inline, reference in LINK.findall(text):
        target = inline or reference
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        to = page.parent / path if path else page
        if not to.exists():
            faults.append(f"{page}: `{target}` leads nowhere")
        elif fragment and to.suffix == ".md" and fragment not in anchors(to):
            faults.append(f"{page}: {to.name} has no heading for `#{fragment}`")
    return faults


def commands(page: Path) -> list[list[str]]:
    """The `cvm` command lines of a page, `cargo run … --` counted as `cvm`."""
    found = []
    for language, block in FENCE.findall(page.read_text()):
        if language not in ("", "sh", "bash", "console", "shell"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            line = CARGO_RUN.sub("cvm ", re.sub(r"^\$ ", "", line.strip()))
            line = re.sub(r"^(\w+=\S+\s+)+", "", line)
            if line.startswith("cvm "):
                found.append(shlex.split(line, comments=True))
    return found


@cache
def help_of(cvm: str, verb: str) -> str | None:
    answer = subprocess.run([cvm, verb, "--help"], capture_output=True, text=True)
    return answer.stdout if answer.returncode == 0 else None


def unknown_commands(page: Path, cvm: str) -> list[str]:
    faults = []
    for words in commands(page):
        verb = words[1] if len(words) > 1 else "--help"
        if verb.startswith("-"):
            continue
        text = help_of(cvm, verb)
        if text is None:
            faults.append(f"{page}: there is no `cvm {verb}`")
            continue
        for flag in (word.split("=")[0] for word in words[2:] if word.startswith("--")):
            if not re.search(re.escape(flag) + r"\b", text):
                faults.append(f"{page}: `cvm {verb}` has no {flag}")
    return faults


def main() -> int:
    cvm = sys.argv[1]
    listed = subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True, check=True)
    pages = [Path(line) for line in listed.stdout.splitlines()]
    faults = []
    for page in pages:
        faults += broken_links(page) + unknown_commands(page, cvm)
    shown = sum(len(commands(page)) for page in pages)
    for fault in faults:
        print(fault)
    print(f"{len(pages)} pages, {shown} cvm commands, {len(faults)} faults")
    if shown == 0:
        print("no page shows a cvm command: is the README missing?")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
