"""The Dockerfile makes the image by an image builder, and the image does what deploy/ says. Only the compiler is not run.

usage: deploy_build.py STATIC CVM ROOTFS WORK

No registry is asked. The image that the Dockerfile builds from is Debian of ROOTFS, a tar file, with a `cargo` that hands over STATIC;
the other has the busybox of ROOTFS. All else is as it stands: stages, mounts, copies, Debian's packages, deploy/static-build,
.dockerignore. CVM gives the bytes that a run in the image must publish.

Runs as root in a namespace of mounts of its own, so that no mount of the builder's outlives it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from pathlib import Path

import deploy
from deploy import Checks
from deploy_static import USER, made_of, tables

# The environment of the official image, as far as the Dockerfile and Cargo look at it, around the stand-in.
BASE = """FROM scratch
ADD rootfs.tar /
ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME=/usr/local/cargo
COPY cargo /usr/local/cargo/bin/cargo
"""
# /given is mounted for as long as is built, with the binary.
CARGO = """#!/bin/sh
set -eu
[ "$1" = rustc ] || { echo "the stand-in for cargo knows no $1" >&2; exit 64; }
mkdir -p target/release
cp /given/cvm target/release/cvm
"""
BUSYBOX = """FROM scratch
COPY busybox /bin/sh
COPY busybox /bin/date
"""
# Shows what .dockerignore lets through; the folders that the real ones mount caches over too.
CONTEXT = """FROM scratch
COPY . /
"""
# Lie in a clone, and are nobody's business in an image or before it.
CANARIES = (".env", "stores.env", "target/release/cvm", ".git/config", "deploy/kubernetes/secret.yaml", "data/raw/orders.csv")
ALONE = ["etc/ssl/certs/ca-certificates.crt", "usr/local/bin/cvm"]
# How the Dockerfile is made wrong, and what the check of the image that comes of it must say.
MUTATIONS = [
    ("COPY --from=build /empty /\n", "COPY --from=build --chmod=1777 /empty/tmp /tmp\n", "/tmp is 0755"),
    ("USER 65532:65532\n", "", "it runs as ''"),
    ("WORKDIR /project\n", "COPY Cargo.toml /project/\nWORKDIR /project\n", "it holds project/Cargo.toml too"),
]


class Builder:
    """Buildah with a store of its own, which goes with WORK."""

    def __init__(self, work: Path):
        self.work = work
        registries = work / "registries.conf"
        # As Docker takes a name without a host.
        registries.write_text('unqualified-search-registries = ["docker.io"]\n')
        policy = work / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
        (work / "tmp").mkdir()
        # The caches of the Dockerfile's mounts are there too.
        self.environment = os.environ | {"TMPDIR": str(work / "tmp")}
        self.options = ["--root", str(work / "storage"), "--runroot", str(work / "run"), "--registries-conf", str(registries)]
        self.policy = ["--signature-policy", str(policy)]
        # Layers save the second target most of the work, but without overlays each is a copy of all that is below.
        self.layers = self._call("info", driver="overlay").returncode == 0
        self.driver = "overlay" if self.layers else "vfs"

    def _call(self, *arguments: str, driver: str = "") -> subprocess.CompletedProcess[str]:
        command = ["buildah", *self.options, "--storage-driver", driver or self.driver, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=600)

    def out(self, *arguments: str) -> str:
        done = self._call(*arguments)
        if done.returncode != 0:
            sys.exit(f"FAILED: buildah {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def build(self, tag: str, file: Path, context: Path, *options: str) -> subprocess.CompletedProcess[str]:
        began = time.monotonic()
        print(f"$ buildah build --tag {tag} --file {file} {' '.join(options)} {context}", flush=True)
        layers = f"--layers={str(self.layers).lower()}"
        fixed = ["--isolation", "chroot", "--network", "host", "--pull=never", layers, *self.policy]
        done = self._call("build", *fixed, "--tag", tag, "--file", str(file), *options, str(context))
        print(f"{time.monotonic() - began:.1f} s", flush=True)
        return done

    def must_build(self, *arguments) -> None:
        done = self.build(*arguments)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}{done.stderr}FAILED: it is not built")


class Image:
    """An image, unpacked, in which commands run as its user with its environment and folder."""

    def __init__(self, builder: Builder, tag: str):
        self.builder, self.tag = builder, tag
        self.config = json.loads(builder.out("inspect", "--type", "image", tag))["OCIv1"]["config"]
        self.container = builder.out("from", "--pull=never", *builder.policy, tag)
        self.folder = Path(builder.out("mount", self.container))

    def run(self, *command: str, volumes: dict[Path, str] | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        # Isolation by chroot knows no other network.
        options = ["--isolation", "chroot", "--network", "host"]
        for place, where in (volumes or {}).items():
            options += ["--volume", f"{place}:{where}"]
        for name, value in environment.items():
            options += ["--env", f"{name}={value}"]
        return self.builder._call("run", *options, self.container, "--", *command)

    def cvm(self, *arguments: str, **more) -> subprocess.CompletedProcess[str]:
        """What the image does where nothing but arguments is given."""
        return self.run(*self.config["Entrypoint"], *arguments, **more)

    def files(self) -> list[str]:
        # Mounts that the builder makes for a command leave empty ones behind.
        left = {"run/.containerenv", "etc/hosts", "etc/resolv.conf", "etc/hostname"}
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())
        return sorted(name for name in (str(path.relative_to(self.folder)) for path in found) if name not in left)


def stand_ins(builder: Builder, dockerfile: str, rootfs: Path, work: Path):
    """Images under the names that the Dockerfile asks for."""
    rust = re.search(r"^FROM (\S+-bookworm) AS build$", dockerfile, re.MULTILINE)
    busybox = re.search(r"--from=(busybox:\S+) ", dockerfile)
    if not rust or not busybox:
        sys.exit("FAILED: the Dockerfile is from other images than those that this knows to stand in for")
    folder = work / "stand-ins"
    folder.mkdir()
    os.link(rootfs, folder / "rootfs.tar") if rootfs.stat().st_dev == folder.stat().st_dev else shutil.copy(rootfs, folder / "rootfs.tar")
    with tarfile.open(rootfs) as archive:
        (folder / "busybox").write_bytes(archive.extractfile("./usr/bin/busybox").read())
    (folder / "cargo").write_text(CARGO)
    for name in ("busybox", "cargo"):
        (folder / name).chmod(0o755)
    for name, text in ((rust[1], BASE), (busybox[1], BUSYBOX)):
        file = folder / f"{name.split(':')[0]}.Dockerfile"
        file.write_text(text)
        builder.must_build(f"docker.io/library/{name}", file, folder)


def clone(context: Path):
    """The clone with what may lie about in one, to be the context."""
    shutil.copytree(".", context, symlinks=True, ignore=shutil.ignore_patterns(".git", "target", "__pycache__"))
    for name in CANARIES:
        place = context / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("a-secret\n")


def context_seen(builder: Builder, context: Path, work: Path) -> list[str]:
    """What of the clone comes to the builder."""
    file = work / "context.Dockerfile"
    file.write_text(CONTEXT)
    builder.must_build("context", file, context)
    return Image(builder, "context").files()


def compiled_from(target: Path) -> set[str]:
    """What Cargo says that the binary was made of, by its place in the clone, and the targets that its manifest names."""
    names = (target / "release/cvm.d").read_text().split(": ", 1)[1].split()
    (root,) = {name.removesuffix("src/main.rs") for name in names if name.endswith("/src/main.rs")}
    manifest = tomllib.loads(Path("Cargo.toml").read_text())
    targets = [manifest["lib"], *manifest["bin"], *manifest.get("test", []), *manifest.get("bench", [])]
    return {name.removeprefix(root) for name in names} | {entry["path"] for entry in targets} | {"Cargo.toml", "Cargo.lock"}


def context_faults(seen: set[str], needed: set[str]) -> list[str]:
    """What is wrong with what .dockerignore lets through."""
    found = [f"{name} is needed and left out" for name in sorted(needed - seen)]
    return found + [f"{name} is let through" for name in CANARIES if name in seen]


def faults(image: Image, files: list[str]) -> list[str]:
    """What is wrong with an image that should hold these files and no other."""
    found = [f"it holds {name} too" for name in image.files() if name not in files]
    found += [f"it lacks {name}" for name in files if not (image.folder / name).is_file()]
    mode = (image.folder / "tmp").stat().st_mode & 0o7777 if (image.folder / "tmp").is_dir() else 0
    if mode != 0o1777:
        found.append(f"/tmp is {mode:04o}")
    config = image.config
    if config.get("User") != f"{USER}:{USER}":
        found.append(f"it runs as {config.get('User', '')!r}")
    if (config.get("Entrypoint"), config.get("WorkingDir"), config.get("Cmd")) != (["cvm"], "/project", None):
        found.append(f"it starts {config.get('Entrypoint')} {config.get('Cmd')} in {config.get('WorkingDir')}")
    return found


def size(image: Image) -> str:
    """Unpacked, and of the compressed layers that are pulled."""
    place = image.builder.work / "oci"
    image.builder.out("push", "--quiet", *image.builder.policy, image.tag, f"oci:{place}")
    packed = sum(path.stat().st_size for path in (place / "blobs").rglob("*") if path.is_file())
    unpacked = sum((image.folder / name).stat().st_size for name in image.files())
    return f"the image is {unpacked / 1e6:.1f} MB, {packed / 1e6:.1f} MB to pull"


def own_folder(place: Path) -> Path:
    place.mkdir()
    os.chown(place, USER, USER)
    return place


def alone(checks: Checks, image: Image, static: Path, cvm: str, work: Path):
    """The image without a shell."""
    checks.equal("the image is nothing but cvm and certificates", [], faults(image, ALONE))
    checks.equal("cvm is the file that was built", True, (image.folder / "usr/local/bin/cvm").read_bytes() == static.read_bytes())
    version = subprocess.run([cvm, "--version"], capture_output=True, text=True, check=True).stdout
    checks.equal("it starts as itself", version, image.cvm("--version").stdout)
    checks.equal("its user may write to /tmp", 0, image.cvm("init", "/tmp/shop").returncode)
    project, beside = own_folder(work / "project-inside"), work / "project-beside"
    beside.mkdir()
    inside = lambda *words: image.cvm(*words, volumes={project: "/project"}, CVM_CACHE_SIZE="0")
    outside = lambda *words: subprocess.run([cvm, *words], cwd=beside, capture_output=True, text=True, check=False)
    codes = made_of(inside, "500"), made_of(outside, "500")
    checks.equal("the demo runs in it, and outside", (0, 0), codes)
    if codes != (0, 0):
        return
    found, expected = tables(project), tables(beside)
    checks.equal("it publishes some tables", True, len(found) > 20)
    checks.equal("… with the same bytes", [], sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)))


def with_shell(checks: Checks, image: Image, work: Path, container: dict):
    """The image that the cron job's script runs in: its day is right by the image's shell, `date` and time zones."""
    zones = [name for name in image.files() if name.startswith("usr/share/zoneinfo/")]
    checks.equal("the other image has a shell, date and time zones beside", [], faults(image, [*ALONE, "bin/date", "bin/sh", *zones]))
    checks.equal("… all of them", True, len(zones) > 300 and "usr/share/zoneinfo/Europe/Berlin" in zones)
    volumes = {stub_folder(work): "/stub"}
    path = dict(variable.split("=", 1) for variable in image.config["Env"])["PATH"]

    def run(**environment: str):
        given = deploy.settings(container) | {"PATH": f"/stub:{path}", "MEMORY_MIB": "8192"} | environment
        done = image.run(*container["command"], *container["args"], volumes=volumes, **given)
        return done.stdout.strip() if done.returncode == 0 else done.returncode

    deploy.script_days(checks, run)


def stub_folder(work: Path) -> Path:
    return deploy.stub_cvm(work / "stub-inside").parent


def project(checks: Checks, builder: Builder, cvm: str, work: Path, container: dict):
    """A project's image is built upon it, and the cron job's container runs as it stands."""
    shop, file = work / "shop", Path("deploy/kubernetes/project.Dockerfile")
    subprocess.run([cvm, "init", shop], capture_output=True, check=True)
    # Every project has a pipeline of its own; the example's will do, with stores that only the cron job's settings tell.
    pipeline = shop / "pipelines/webshop.yml"
    (shop / "pipelines/demo.yml").rename(pipeline)
    pipeline.write_text(re.sub(r"\$\{CVM_DEMO_(RAW|LAKE):-[^}]*\}", r"${\1}", pipeline.read_text()))
    checks.equal("its stores are variables without defaults", 2, len(re.findall(r"\$\{(?:RAW|LAKE)\}", pipeline.read_text())))
    builder.must_build("shop", file, shop, "--build-arg", "CVM=cvm")
    image = Image(builder, "shop")
    given = deploy.settings(container)
    volumes = {own_folder(work / "volume"): given["CVM_WORK_FOLDER"]}
    lake = {"RAW": "file:/work/raw", "LAKE": "file:/work/lake", "CVM_REPORT": "/work/report"}
    image.cvm("generate", "--customers", "200", "--to", "file:/work/raw", volumes=volumes)
    before = image.files()
    given |= lake | {"JOB_NAME": deploy.job_name(2024, 12, 31, 23), "MEMORY_MIB": "2048"}
    ran = image.run(*container["command"], *container["args"], volumes=volumes, **given)
    report = work / "volume/report"
    told = json.loads(report.read_text()) if report.is_file() else {}
    checks.equal("the cron job's container runs the project's pipeline", (0, "2025-01-01"), (ran.returncode, told.get("as_of")))
    if ran.returncode != 0:
        print(ran.stdout, ran.stderr)
    checks.equal("… and writes to the volume alone", before, image.files())
    checks.equal("… and nothing stood in for its stores", [], [name for name in image.config["Env"] if name.startswith(("RAW=", "LAKE="))])
    pipeline.write_text(pipeline.read_text() + "nonsense: 1\n")
    refused = builder.build("faulty", file, shop, "--build-arg", "CVM=cvm")
    checks.equal("a faulty project is no image", True, refused.returncode != 0 and "nonsense" in refused.stdout + refused.stderr)


def wrong(checks: Checks, builder: Builder, dockerfile: str, context: Path, options: tuple[str, ...], work: Path):
    """The check sees what is wrong with an image."""
    for number, (was, becomes, said) in enumerate(MUTATIONS):
        file = work / f"wrong-{number}.Dockerfile"
        file.write_text(dockerfile.replace(was, becomes, 1))
        builder.must_build(f"wrong:{number}", file, context, *options, "--target", "bare")
        found = faults(Image(builder, f"wrong:{number}"), ALONE)
        checks.equal(f"`{becomes.splitlines()[0] if becomes else 'nothing'}` for `{was.strip()}` is seen", [said], found)


def main() -> int:
    static, cvm, rootfs, work = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]) / "build"
    work.mkdir()
    checks = Checks()
    dockerfile = Path("Dockerfile").read_text()
    builder = Builder(work)
    print(f"{builder.out('--version')} with {builder.driver}")
    stand_ins(builder, dockerfile, rootfs, work)
    context, given = work / "context", work / "given"
    clone(context)
    given.mkdir()
    shutil.copy(static, given / "cvm")
    options = ("--volume", f"{given}:/given")
    builder.must_build("cvm:bare", Path("Dockerfile"), context, *options, "--target", "bare")
    builder.must_build("cvm", Path("Dockerfile"), context, *options)
    seen, needed = set(context_seen(builder, context, work)), compiled_from(Path(os.environ["CARGO_TARGET_DIR"]))
    checks.equal(f".dockerignore lets through what the binary is of, {len(needed)} files, and no secret", [], context_faults(seen, needed))
    checks.equal("… and a context without a source, or with a secret, is seen", 2, len(context_faults({*needed, ".env"} - {"src/lib.rs"}, needed)))
    _, cron_job = deploy.read_manifests()
    container = deploy.container_of(cron_job)
    bare, full = Image(builder, "cvm:bare"), Image(builder, "cvm")
    print(size(full))
    alone(checks, bare, static, cvm, work)
    with_shell(checks, full, work, container)
    project(checks, builder, cvm, work, container)
    if builder.layers:
        wrong(checks, builder, dockerfile, context, options, work)
    else:
        print("NOT CHECKED: that the check of the image sees what is wrong with one, for the builder has no overlays here")
    return checks.end("image")


if __name__ == "__main__":
    sys.exit(main())
