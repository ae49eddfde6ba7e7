"""The part of Google Cloud Storage's XML API that object_store speaks, in memory. Our own reading of Google's pages, no Google code.

It is here because no server that can be installed from PyPI or npm will do: gcp-storage-emulator 2026.7.19 knows no
preconditions, and fake-gcs-server 1.54.0 refuses the XML API's PUT (`invalid uploadType`), with which object_store writes. So it
proves that cvm's requests are those of the documented protocol, and that cvm takes the answers well; not that Google answers so.

What it is strict about: every request needs a JWT that the service account's key signed and that is not expired; generations
and `x-goog-if-generation-match`; ranges; pages of listings, short ones so that there are several; the parts of multipart uploads.
What it has not: other buckets, versions, metadata, checksums, permissions, rate limits, resumable uploads, the JSON API.

usage: gcs_server.py PORT BUCKET PUBLIC_KEY.PEM
"""

import base64
import hashlib
import json
import re
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

PAGE = 50
SCOPES = {f"https://www.googleapis.com/auth/{scope}" for scope in ("cloud-platform", "devstorage.read_write", "devstorage.full_control")}
CREATE_ONLY, COPY_SOURCE = "x-goog-if-generation-match", "x-goog-copy-source"


@dataclass
class Object:
    content: bytes
    generation: int
    modified: float = field(default_factory=time.time)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


class Refused(Exception):
    def __init__(self, status: int, code: str):
        super().__init__(code)
        self.status, self.code = status, code


class Bucket:
    """Objects by name, and uploads by id. Each method is one step that no other sees half of."""

    def __init__(self):
        self.lock = threading.Lock()
        self.objects: dict[str, Object] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.generation = int(time.time() * 1e6)

    def put(self, name: str, content: bytes, match: str | None) -> Object:
        with self.lock:
            found = self.objects.get(name)
            if match is not None and int(match) != (found.generation if found else 0):
                raise Refused(412, "PreconditionFailed")
            self.generation += 1
            self.objects[name] = Object(content, self.generation)
            return self.objects[name]

    def get(self, name: str) -> Object:
        with self.lock:
            if name not in self.objects:
                raise Refused(404, "NoSuchKey")
            return self.objects[name]

    def delete(self, name: str):
        with self.lock:
            if self.objects.pop(name, None) is None:
                raise Refused(404, "NoSuchKey")

    def begin(self, name: str) -> str:
        with self.lock:
            upload = uuid.uuid4().hex
            self.uploads[upload] = (name, {})
            return upload

    def upload(self, upload: str, name: str) -> dict[int, bytes]:
        with self.lock:
            if self.uploads.get(upload, ("", {}))[0] != name:
                raise Refused(404, "NoSuchUpload")
            return self.uploads[upload][1]

    def complete(self, upload: str, name: str, listed: list[tuple[int, str]]) -> Object:
        parts = self.upload(upload, name)
        if listed != [(number, etag_of(parts[number])) for number in sorted(parts)]:
            raise Refused(400, "InvalidPart")
        self.abort(upload, name)
        return self.put(name, b"".join(parts[number] for number in sorted(parts)), None)

    def abort(self, upload: str, name: str):
        self.upload(upload, name)
        with self.lock:
            del self.uploads[upload]

    def page(self, prefix: str, delimiter: str, after: str, limit: int) -> tuple[list[tuple[str, Object | None]], bool]:
        """Names after `after` in order, those with a delimiter behind the prefix as one folder each; and whether there are more."""
        with self.lock:
            entries: dict[str, Object | None] = {}
            for name in sorted(self.objects):
                if not name.startswith(prefix):
                    continue
                head, found, _ = name[len(prefix):].partition(delimiter) if delimiter else (name, "", "")
                shown = prefix + head + found if found else name
                if shown > after:
                    entries[shown] = None if found else self.objects[name]
            return list(entries.items())[:limit], len(entries) > limit


def etag_of(content: bytes) -> str:
    return Object(content, 0).etag


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket, bucket_name, key = Bucket(), "", None

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        split = urlsplit(self.path)
        self.query = dict(parse_qsl(split.query, keep_blank_values=True))
        bucket, _, name = split.path.lstrip("/").partition("/")
        try:
            self.authorise()
            if unquote(bucket) != self.bucket_name:
                raise Refused(404, "NoSuchBucket")
            (self.on_object(unquote(name), body) if name else self.on_bucket())
        except Refused as refused:
            self.answer(refused.status, f"<Error><Code>{refused.code}</Code></Error>".encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def authorise(self):
        """The token is a JWT that the service account signed itself: header, claims, signature."""
        try:
            message, _, signature = self.headers["authorization"].removeprefix("Bearer ").rpartition(".")
            self.key.verify(decoded(signature), message.encode(), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(decoded(message.partition(".")[2]))
        except (AttributeError, InvalidSignature, ValueError):
            raise Refused(401, "AuthenticationRequired") from None
        if claims["exp"] < time.time():
            raise Refused(401, "ExpiredToken")
        if claims["scope"] not in SCOPES:
            raise Refused(403, "AccessDenied")

    def answer(self, status: int, body: bytes = b"", **headers: str):
        self.send_response(status)
        for name, value in ({"content-length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def on_bucket(self):
        if self.command != "GET" or self.query.get("list-type") != "2":
            raise Refused(501, "NotImplemented")
        after = max(self.query.get("continuation-token", ""), self.query.get("start-after", ""))
        limit = min(PAGE, int(self.query.get("max-keys", PAGE)))
        entries, more = self.bucket.page(self.query.get("prefix", ""), self.query.get("delimiter", ""), after, limit)
        xml = [f"<ListBucketResult><Name>{self.bucket_name}</Name><IsTruncated>{str(more).lower()}</IsTruncated>"]
        for name, entry in entries:
            if entry is None:
                xml.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
                continue
            modified = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entry.modified))
            xml.append(
                f"<Contents><Key>{escape(name)}</Key><Generation>{entry.generation}</Generation><LastModified>{modified}.000Z"
                f"</LastModified><ETag>{escape(entry.etag)}</ETag><Size>{len(entry.content)}</Size></Contents>"
            )
        if more:
            xml.append(f"<NextContinuationToken>{escape(entries[-1][0])}</NextContinuationToken>")
        self.answer(200, "".join([*xml, "</ListBucketResult>"]).encode())

    def on_object(self, name: str, body: bytes):
        upload = self.query.get("uploadId")
        if self.command in ("GET", "HEAD"):
            self.send_object(self.bucket.get(name))
        elif self.command == "PUT" and upload:
            self.bucket.upload(upload, name)[int(self.query["partNumber"])] = body
            self.answer(200, etag=etag_of(body))
        elif self.command == "PUT":
            if source := self.headers.get(COPY_SOURCE):
                bucket, _, path = unquote(source).lstrip("/").partition("/")
                if bucket != self.bucket_name:
                    raise Refused(404, "NoSuchBucket")
                body = self.bucket.get(path).content
            put = self.bucket.put(name, body, self.headers.get(CREATE_ONLY))
            self.answer(200, etag=put.etag, x_goog_generation=str(put.generation))
        elif self.command == "POST" and "uploads" in self.query:
            begun = self.bucket.begin(name)
            xml = f"<InitiateMultipartUploadResult><UploadId>{begun}</UploadId></InitiateMultipartUploadResult>"
            self.answer(200, xml.encode())
        elif self.command == "POST" and upload:
            listed = [(int(part.findtext("PartNumber")), part.findtext("ETag")) for part in ElementTree.fromstring(body)]
            put = self.bucket.complete(upload, name, listed)
            xml = f"<CompleteMultipartUploadResult><ETag>{escape(put.etag)}</ETag></CompleteMultipartUploadResult>"
            self.answer(200, xml.encode(), x_goog_generation=str(put.generation))
        elif self.command == "DELETE":
            self.bucket.abort(upload, name) if upload else self.bucket.delete(name)
            self.answer(204)
        else:
            raise Refused(501, "NotImplemented")

    def send_object(self, found: Object):
        if self.headers.get("if-match", found.etag) != found.etag:
            raise Refused(412, "PreconditionFailed")
        if self.query.get("generation", str(found.generation)) != str(found.generation):
            raise Refused(404, "NoSuchKey")
        headers = {
            "etag": found.etag, "x-goog-generation": str(found.generation), "last-modified": formatdate(found.modified, usegmt=True),
        }
        size = len(found.content)
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
        if not asked:
            headers["content-length"] = str(size)
            return self.answer(200, found.content, **headers)
        first, last = asked.groups()
        begin = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if begin >= end:
            raise Refused(416, "InvalidRange")
        return self.answer(206, found.content[begin:end], content_range=f"bytes {begin}-{end - 1}/{size}", **headers)

    def log_message(self, *_):
        """Only what goes wrong is worth a line, and that comes as a traceback."""


def main():
    port, Handler.bucket_name, key = sys.argv[1:]
    Handler.key = serialization.load_pem_public_key(Path(key).read_bytes())
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
