"""What the Dockerfile says of the image. deploy_build.py builds it where that can be done; this is seen everywhere, and names the
Rust that the stand-in of that build does not have."""

import re
from pathlib import Path

# Where the stores' library looks for certificates.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Programs that the script of the cron job may call, as far as it does.
PROGRAMS = ("sh", "date", "sed", "grep", "cut", "tr", "expr", "env", "test", "cat", "sleep", "mkdir")
# How the Dockerfile is made wrong. A check that lets one of them pass proves nothing.
MUTATIONS = [
    ("rust:1.95-bookworm", "rust:1.95-alpine"),
    ("rust:1.95-bookworm", "rust:1.94-bookworm"),
    ("deploy/static-build &&", "cargo build --release &&"),
    ("target/static/cvm /cvm", "target/release/cvm /cvm"),
    ("FROM scratch AS bare", "FROM alpine:3.22 AS bare"),
    ("FROM bare", "FROM debian:trixie-slim"),
    (f"{CERTIFICATES}\n", "/certificates.crt\n"),
    ("--mode=1777 ", ""),
    # As it once was: the folder that COPY makes is 0755 all the same.
    ("/empty /\n", "--chmod=1777 /empty/tmp /tmp\n"),
    ("USER 65532:65532", "USER cvm"),
    ("USER 65532:65532\n", ""),
    ('ENTRYPOINT ["cvm"]', "ENTRYPOINT cvm"),
    ("/usr/local/bin/cvm\n", "/opt/cvm\n"),
    ("/bin/date ", ""),
    ("/usr/share/zoneinfo /usr/share/zoneinfo", "/usr/share/zoneinfo /zoneinfo"),
]


def stages(text: str) -> list[tuple[str, str, list[str]]]:
    """What each stage is from, its name and its instructions, with continued lines joined."""
    found: list[tuple[str, str, list[str]]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if begins := re.fullmatch(r"FROM (\S+)(?: AS (\S+))?", line):
            found.append((begins[1], begins[2] or "", []))
        elif found and line and not line.startswith("#"):
            found[-1][2].append(line)
    return found


def faults(text: str, rust: str, script: str) -> list[str]:
    """What is wrong with the image: not static, not alone, or without what a run needs."""
    all_stages = stages(text)
    by_name = {name: (of, lines) for of, name, lines in all_stages}
    build_of, build_lines = by_name.get("build", ("", []))
    found = [] if build_of == f"rust:{rust}-bookworm" else [f"it is built from {build_of}: not the Rust of Cargo.toml on glibc"]
    if not any("deploy/static-build && cp target/static/cvm /cvm" in line for line in build_lines):
        found.append("the binary is not that of deploy/static-build, which is checked")
    # The last stage is what is built where no other is asked for, on those that it is from.
    of, _, lines = all_stages[-1]
    while of in by_name:
        of, before = by_name[of]
        lines = [*before, *lines]
    if of != "scratch":
        found.append(f"it ends on {of}, not on nothing")
    places = set()
    for line in lines:
        if not line.startswith("COPY "):
            continue
        *sources, place = [word for word in line.split()[1:] if not word.startswith("--")]
        places |= {place + Path(source).name if place.endswith("/") else place for source in sources}
    needed = {CERTIFICATES, "/usr/local/bin/cvm"}
    needed |= {f"/bin/{name}" for name in PROGRAMS if re.search(rf"(^|[\s(;|]){name}\s", script, re.MULTILINE)}
    needed |= set(re.findall(r"/usr/share/\w+", script))
    found += [f"{place} is not in it" for place in sorted(needed - places)]
    if not any("--directory --mode=1777 /empty/tmp" in line for line in build_lines) or "COPY --from=build /empty /" not in lines:
        found.append("not everybody may write to /tmp")
    users = [line for line in lines if line.startswith("USER ")]
    if not users or not re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", users[-1]):
        found.append("it does not run as a user by number that is not root")
    if 'ENTRYPOINT ["cvm"]' not in lines:
        found.append("it does not run cvm itself: a shell would keep signals from it")
    if not any(re.match(r"ENV PATH=\S*/usr/local/bin\b", line) for line in lines):
        found.append("cvm is not on its PATH")
    return found


def image(checks, script: str):
    """Holds the Dockerfile to what a run needs, and the check to seeing what is wrong."""
    text = Path("Dockerfile").read_text()
    rust = re.search(r'^rust-version = "([^"]+)"', Path("Cargo.toml").read_text(), re.MULTILINE).group(1)
    checks.equal("the image is one static cvm with what a run needs", [], faults(text, rust, script))
    for was, becomes in MUTATIONS:
        wrong = text.replace(was, becomes, 1)
        said = faults(wrong, rust, script)
        checks.equal(f"`{becomes.strip() or 'nothing'}` for `{was.strip()}`: {said[0] if said else 'nothing is said'}", True,
                     wrong != text and bool(said))
