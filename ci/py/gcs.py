"""Google Cloud Storage, as gcs_server.py serves it; what is checked is in stores.py."""

import base64
import json
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import stores
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from stores import BUCKET


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Server(stores.Server):
    name, scheme = "gcs", "gs"

    def __init__(self, work: Path):
        super().__init__(work)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.public = work / "gcs.pem"
        self.public.write_bytes(
            self.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        account = work / "service_account.json"
        account.write_text(json.dumps({
            "type": "service_account", "private_key": private, "private_key_id": "1", "client_email": "cvm@example.com",
        }))
        self.environment = {"GOOGLE_APPLICATION_CREDENTIALS": str(account), "GOOGLE_BASE_URL": self.url}
        self.token = self.sign({"scope": "https://www.googleapis.com/auth/devstorage.full_control", "exp": int(time.time()) + 3600})

    def sign(self, claims: dict) -> str:
        message = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims))
        return f"{message}.{encoded(self.key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("gcs_server.py")), str(self.port), BUCKET, str(self.public)]

    def request(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        all_headers = {"Authorization": f"Bearer {self.token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}/{BUCKET}{path}", body, all_headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read()
        except HTTPError as error:
            return error.code, error.read()

    def create_bucket(self) -> bool:
        try:
            return self.request("?list-type=2")[0] == 200
        except URLError:
            return False

    def put(self, key: str, content: bytes, once: bool = False) -> int:
        condition = {"x_goog_if_generation_match": "0"} if once else {}
        return self.request(f"/{quote(key, safe='')}", "PUT", content, **condition)[0]

    def list(self, prefix: str) -> list[str]:
        names, after = [], ""
        while True:
            query = urlencode({"list-type": 2, "prefix": prefix, "start-after": after})
            page = ElementTree.fromstring(self.request(f"?{query}")[1])
            names += [name.text for name in page.findall("Contents/Key")]
            after = page.findtext("NextContinuationToken")
            if after is None:
                return names

    def get(self, key: str) -> bytes:
        return self.request(f"/{quote(key, safe='')}")[1]


if __name__ == "__main__":
    sys.exit(stores.main(Server))
