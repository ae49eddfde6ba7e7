"""Azure Blob Storage, as Azurite serves it; what is checked is in stores.py. AZURITE names its script `blob/main.js`."""

import base64
import hashlib
import os
import sys
from pathlib import Path

import stores
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.storage.blob import BlobServiceClient
from stores import BUCKET

# An account of our own: object_store has Azurite's built in, and a key that it has anyway would prove nothing.
ACCOUNT = "cvmaccount"
KEY = base64.b64encode(hashlib.sha512(b"cvm").digest()).decode()


class Server(stores.Server):
    name, scheme = "azure", "az"

    def __init__(self, work: Path):
        super().__init__(work)
        self.folder = work / "azurite"
        endpoint = f"{self.url}/{ACCOUNT}"
        self.environment = {
            "AZURE_STORAGE_ENDPOINT": endpoint,
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        }
        self.service = BlobServiceClient(
            endpoint, credential={"account_name": ACCOUNT, "account_key": KEY}, retry_total=0, connection_timeout=2,
        )
        self.container = self.service.get_container_client(BUCKET)

    def command(self) -> list[str]:
        # The client is as new as the day of its release; Azurite may not know its version of the API.
        return [
            "env", f"AZURITE_ACCOUNTS={ACCOUNT}:{KEY}", "node", os.environ["AZURITE"], "--silent", "--disableTelemetry",
            "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", str(self.folder),
        ]

    def create_bucket(self) -> bool:
        try:
            self.container.create_container()
        except (ServiceRequestError, ServiceResponseError):
            return False
        return True

    def put(self, key: str, content: bytes, once: bool = False) -> int:
        try:
            self.container.upload_blob(key, content, overwrite=not once)
        except HttpResponseError as error:
            return error.status_code
        return 201

    def list(self, prefix: str) -> list[str]:
        return list(self.container.list_blob_names(name_starts_with=prefix))

    def get(self, key: str) -> bytes:
        return self.container.download_blob(key).readall()


if __name__ == "__main__":
    sys.exit(stores.main(Server, refusal=409))
