"""The static binary works where there is nothing else: in a root folder with certificates, a resolver's address and the
devices of a container.

usage: deploy_static.py STATIC CVM WORK

STATIC runs alone as the image's user and publishes the very tables that CVM, linked with this machine's C library, does. Then it is
asked to read a store by https under a name that a DNS server here knows, with a certificate of an authority made up here.
"""

import datetime
import http.server
import ipaddress
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from deploy import Checks
from published import Published

HOST = "store.test"
USER = 65532
# Beside whatever resolver this machine has of its own.
NAME_SERVER = ("127.0.0.53", 53), ("127.0.0.2", 53)
AS_OF = "2025-01-01"


class Root:
    """A root folder with what the image has and nothing else."""

    def __init__(self, folder: Path, static: Path):
        self.folder = folder
        for name in ("usr/local/bin", "etc/ssl/certs", "tmp", "project"):
            (folder / name).mkdir(parents=True)
        shutil.copy(static, folder / "usr/local/bin/cvm")
        (folder / "tmp").chmod(0o1777)
        give_devices(folder / "dev")
        # Whoever is no root here is already alone in a namespace of users, where there is only one.
        self.is_root = "CVM_UNSHARED" not in os.environ
        if self.is_root:
            os.chown(folder / "project", USER, USER)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        def enter():
            os.chroot(self.folder)
            os.chdir("/project")
            if self.is_root:
                os.setgroups([])
                os.setgid(USER)
                os.setuid(USER)

        return subprocess.run(
            ["/usr/local/bin/cvm", *arguments],
            env={"PATH": "/usr/local/bin", "CVM_CACHE_SIZE": "0"} | environment,
            preexec_fn=enter, capture_output=True, text=True, check=False, timeout=300,
        )


def give_devices(folder: Path):
    """The devices of random numbers, which every container has; of who may not make devices, files of random numbers."""
    folder.mkdir()
    for name, minor in (("random", 8), ("urandom", 9)):
        place = folder / name
        try:
            os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        except PermissionError:
            place.write_bytes(os.urandom(1 << 20))
        place.chmod(0o666)


def made_of(run, customers: str = "1000") -> int:
    """Makes the demo's project and raw data, and runs it; returns the exit code that ends this."""
    for arguments in (
        ("init", "shop"),
        ("generate", "--customers", customers, "--to", "file:shop/data/demo/raw"),
        ("run", "shop/pipelines/demo.yml", "--as-of", AS_OF),
    ):
        ran = run(*arguments)
        if ran.returncode != 0:
            print(ran.stderr)
            return ran.returncode
    return 0


def tables(project: Path) -> dict[str, str]:
    target = Published(project / "shop/data/demo/lake/marts/demo")
    return target.fingerprints(target.commits()[-1])


def alone(checks: Checks, root: Root, cvm: str, work: Path):
    listed = sorted(str(path.relative_to(root.folder)) for path in root.folder.rglob("*") if path.is_file() and "dev" not in path.parts)
    checks.equal("there is nothing but cvm", ["usr/local/bin/cvm"], listed)
    checks.equal("the demo runs there", 0, made_of(root.run))
    beside = work / "beside"
    beside.mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([cvm, *arguments], cwd=beside, capture_output=True, text=True, check=False)

    checks.equal("… and with this machine's C library", 0, made_of(run))
    found, expected = tables(root.folder / "project"), tables(beside)
    checks.equal("it publishes some tables", True, len(found) > 20)
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    checks.equal("… byte for byte those of the binary that every other check is of", [], differing)


def certificate(folder: Path) -> Path:
    """A certificate of HOST by an authority of its own, with its key; the authority's goes where the image has such."""
    now = datetime.datetime.now(datetime.UTC)

    def signed(name: str, issuer: str, key, signer, extensions: list[x509.ExtensionType]) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(), serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=1), not_valid_after=now + datetime.timedelta(days=30),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(signer, hashes.SHA256())

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = signed("authority", "authority", authority, authority, [x509.BasicConstraints(ca=True, path_length=None)])
    names: list[x509.GeneralName] = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = signed(HOST, "authority", own, authority, [x509.SubjectAlternativeName(names), x509.BasicConstraints(ca=False, path_length=None)])
    pem = serialization.Encoding.PEM
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "etc/ssl/certs/ca-certificates.crt").write_bytes(root.public_bytes(pem))
    chain = folder.parent / "store.pem"
    chain.write_bytes(leaf.public_bytes(pem) + key)
    return chain


class Store(http.server.BaseHTTPRequestHandler):
    """Refuses whoever asks, as a bucket does that is not theirs."""

    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.headers["Host"].split(":")[0])
        body = b"<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass


def serve_store(chain: Path) -> int:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def serve_names(asked: list[str]) -> str | None:
    """Answers for HOST; returns the server's address, if this user may have the port of DNS."""
    for address in NAME_SERVER:
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            names.bind(address)
        except OSError:
            continue

        def answer(names: socket.socket = names):
            while True:
                packet, peer = names.recvfrom(4096)
                try:
                    query = dns.message.from_wire(packet)
                except dns.exception.DNSException:
                    continue
                reply = dns.message.make_response(query)
                reply.flags |= dns.flags.RA
                name = query.question[0].name
                asked.append(name.to_text(omit_final_dot=True))
                if asked[-1] == HOST and query.question[0].rdtype == 1:
                    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "127.0.0.1"))
                names.sendto(reply.to_wire(), peer)

        threading.Thread(target=answer, daemon=True).start()
        return address[0]
    return None


def by_name(checks: Checks, root: Root):
    port = serve_store(certificate(root.folder))
    asked: list[str] = []
    server = serve_names(asked)
    if server:
        (root.folder / "etc/resolv.conf").write_text(f"nameserver {server}\noptions timeout:5 attempts:1\n")
    else:
        print("NOT CHECKED: that names are looked up by DNS, for which this user may not answer; /etc/hosts stands in")
        (root.folder / "etc/hosts").write_text(f"127.0.0.1 {HOST}\n")
    credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a-secret-key", "AWS_REGION": "us-east-1"}
    endpoint = {"AWS_ENDPOINT_URL": f"https://{HOST}:{port}", "CVM_DEMO_RAW": "s3://raw/demo"}
    ran = root.run("run", "shop/pipelines/demo.yml", "--as-of", AS_OF, "--no-cache", **credentials, **endpoint)
    checks.equal("a store by https is asked under its name", [HOST], sorted(set(Store.asked)))
    checks.equal("… and what it answers is told", True, ran.returncode != 0 and "not yours" in ran.stderr)
    if server:
        checks.equal("the name is looked up by DNS", True, HOST in asked)
    if ran.returncode == 0 or not Store.asked:
        print(ran.stderr)


def main() -> int:
    static, cvm, work = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    checks = Checks()
    root = Root(work / "root", static)
    alone(checks, root, cvm, work)
    by_name(checks, root)
    return checks.end("static binary")


if __name__ == "__main__":
    sys.exit(main())
