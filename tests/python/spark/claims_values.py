"""Values and identities of the Glue job against the vectors of an independent program: tests/vectors."""

import json
import re

from rig import ROOT

from penstock_files import source_id
from penstock_rows import Rows, Source, column, row_hash, stable_id
from penstock_values import DECODER, KEPT, Reject, canonical

VECTORS = json.loads((ROOT / "tests/vectors/identity.json").read_text())


def _canonical(kind, text):
    name, *sizes = re.findall("[a-z]+|[0-9]+", kind)
    try:
        own = canonical(name, tuple(map(int, sizes)), DECODER.decode(text), text)
    except Reject as fault:
        return {"reject": fault.rule}
    KEPT.get(name, str)(own)
    return {"canonical": own}


def every_value_of_the_vectors_has_its_canonical_text_or_its_rule(_bench, _fixtures):
    assert len(VECTORS["canonical"]) > 200
    for vector in VECTORS["canonical"]:
        want = {name: vector[name] for name in ("canonical", "reject") if name in vector}
        assert _canonical(vector["type"], vector["input"]) == want, vector


def keys_of_the_vectors_give_their_record_ids_in_spark(bench, _fixtures):
    # On the executors, as the job does it, and once more by Spark's own SHA-256.
    cases = [(n, own["types"], own["inputs"]) for n, own in enumerate(VECTORS["keys"])]
    found = dict(bench.spark.sparkContext.parallelize(cases, 2).map(_record_id_of).collect())
    assert found == {n: own["record_id"] for n, own in enumerate(VECTORS["keys"])}
    texts = [(n, own["encoding"]) for n, own in enumerate(VECTORS["keys"])]
    frame = bench.spark.createDataFrame(texts, ["n", "encoding"])
    by_spark = frame.selectExpr("n", "substring(sha2(encoding, 256), 1, 32) AS id").collect()
    assert {own.n: own.id for own in by_spark} == found


def _record_id_of(case):
    n, kinds, inputs = case
    columns = [
        column({"name": f"k{i}", "type": kind, "required": True, "key": i + 1, "partition": None})
        for i, kind in enumerate(kinds)
    ]
    record = "{" + ",".join(f'"k{i}":{own}' for i, own in enumerate(inputs)) + "}"
    source = Source("s3://b/k", "0" * 32, 0)
    found, broken = Rows(columns, True, False).read(record.encode(), 0, source)
    assert broken is None, (case, broken)
    # Behind the folder and the values.
    return n, found[1 + len(kinds)]


def row_hashes_of_the_vectors_agree(_bench, _fixtures):
    for vector in VECTORS["row_hashes"]:
        names = list(vector["columns"])
        hashed = sorted((name.encode(), i) for i, name in enumerate(names))
        assert row_hash(hashed, list(vector["columns"].values())) == vector["row_hash"], vector


def sources_of_the_vectors_give_their_ids(_bench, _fixtures):
    for vector in VECTORS["sources"]:
        assert source_id(f"s3://{vector['bucket']}/{vector['key']}") == vector["source_id"], vector
    assert len({own["source_id"] for own in VECTORS["sources"]}) == len(VECTORS["sources"])


def an_object_without_a_note_is_known_by_its_etag(_bench, _fixtures):
    tagged = [own for own in VECTORS["objects"] if "4:ETAG" in own["encoding"]]
    assert tagged
    for own in tagged:
        found = stable_id(own["bucket"], own["key"], "ETAG", own["etag"].strip('"'), str(own["size"]))
        assert found == own["object_id"], own
