"""An object store and a REST catalogue for tests of the lake, on loopback."""

import subprocess
import sys
from pathlib import Path

import boto3

from core.errors import StartError
from stack.jars import Jars
from stack.process import Program, answers, free_port, is_listening

BUCKET = "lake"
READY_WITHIN_S = 30.0
_FOLDER = Path(__file__).parent / "iceberg"
JARS = Jars("iceberg-1.10.1", _FOLDER / "pom.xml")


class ObjectStore:
    """moto's S3, with one bucket. It keeps objects in memory."""

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.options = {
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": "lake",
            "s3.secret-access-key": "secret-of-the-lake",
            "s3.region": "us-east-1",
        }
        self.program: Program | None = None

    def start(self) -> None:
        """Start it and make the bucket."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.program = Program("moto", command)
        self.program.wait_until(lambda: is_listening(self.port), READY_WITHIN_S)
        self.client().create_bucket(Bucket=BUCKET)

    def client(self) -> "boto3.client":
        """Return a client of boto3."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="lake",
            aws_secret_access_key="secret-of-the-lake",
            region_name="us-east-1",
        )

    def stop(self) -> None:
        """Stop it. Objects are gone."""
        if self.program is not None:
            self.program.stop()


class RestCatalogue:
    """The REST catalogue of Iceberg's own tests, on a SQLite file and an object store. It keeps its tables between
    stop and start."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self._folder = folder
        self._store = store
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.program: Program | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises StartError."""
        JARS.install()
        classes = self._folder / "classes"
        if not classes.exists():
            command = ["javac", "-cp", JARS.class_path, "-d", str(classes), str(_FOLDER / "RestCatalog.java")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise StartError(f"the REST catalogue cannot be compiled: {done.stderr[-500:]}")
        properties = {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:sqlite:{self._folder / 'rest.db'}",
            "jdbc.schema-version": "V1",
            "warehouse": f"s3://{BUCKET}/rest",
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "s3.path-style-access": "true",
            "client.region": "us-east-1",
            **{name: value for name, value in self._store.options.items() if name != "s3.region"},
        }
        java = ["java", "-Xmx256m", "-cp", f"{JARS.class_path}:{classes}", "RestCatalog", str(self.port)]
        self.program = Program("catalogue", [*java, *(f"{name}={value}" for name, value in properties.items())])
        self.program.wait_until(lambda: answers(f"{self.address}/v1/config"), READY_WITHIN_S)

    def stop(self) -> None:
        """Stop it."""
        if self.program is not None:
            self.program.stop()
