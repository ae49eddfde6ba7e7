"""S3, as moto serves it; what is checked is in stores.py."""

import sys
from pathlib import Path

import boto3
import stores
from botocore.exceptions import ClientError, EndpointConnectionError
from stores import BUCKET

# A secret that could stand in any text is refused.
SECRET = "known-to-nobody"


class Server(stores.Server):
    name, scheme = "s3", "s3"

    def __init__(self, work: Path):
        super().__init__(work)
        self.environment = {
            "AWS_ENDPOINT_URL": self.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        self.client = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key=SECRET,
        )

    def command(self) -> list[str]:
        # moto's server takes requests one thread each; two runs at once need that.
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def create_bucket(self) -> bool:
        try:
            self.client.create_bucket(Bucket=BUCKET)
        except EndpointConnectionError:
            return False
        return True

    def put(self, key: str, content: bytes, once: bool = False) -> int:
        condition = {"IfNoneMatch": "*"} if once else {}
        try:
            response = self.client.put_object(Bucket=BUCKET, Key=key, Body=content, **condition)
        except ClientError as error:
            response = error.response
        return response["ResponseMetadata"]["HTTPStatusCode"]

    def list(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


if __name__ == "__main__":
    sys.exit(stores.main(Server))
