"""`sklearn(name)`: the data sets that scikit-learn carries inside itself, with their natural columns.

Their files are read directly where they are as expected, because importing scikit-learn takes a second; else its own loaders are asked.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...compiler.plan import SourceCall
from ..faults.data import NoPackage, NoSuchDataset
from ..stops import InputFaults, span_of
from .calls import Parameter, Signature, Wanted
from .table import Array, Field, Schema, Table, storage

SIGNATURE = Signature("sklearn", (Parameter("name", (str,), required=True),), 'sklearn("digits")')

SCHEMAS: dict[str, Schema] = {
    "digits": {"data": Field("float", (64,)), "images": Field("float", (8, 8)), "target": Field("int", ())},
    "iris": {"data": Field("float", (4,)), "target": Field("int", ())},
    "wine": {"data": Field("float", (13,)), "target": Field("int", ())},
    "breast_cancer": {"data": Field("float", (30,)), "target": Field("int", ())},
    "diabetes": {"data": Field("float", (10,)), "target": Field("float", ())},
}
FILES = {"iris": "iris.csv", "wine": "wine_data.csv", "breast_cancer": "breast_cancer.csv", "digits": "digits.csv.gz"}


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns of the named data set, from a table in archc: nothing is imported."""
    name = str(SIGNATURE.bind(call)["name"])
    if name not in SCHEMAS:
        raise InputFaults(NoSuchDataset(span_of(call.place, len(call.kind)), name, tuple(SCHEMAS)))
    return SCHEMAS[name]


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns of the named data set."""
    fields = schema(call, base)
    name = str(SIGNATURE.bind(call)["name"])
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise InputFaults(NoPackage(span_of(call.place, len(call.kind)), "scikit-learn", f'sklearn("{name}")'))
    columns = _direct(name, Path(found.submodule_search_locations[0]) / "datasets" / "data") or _asked(name)
    return Table(f"sklearn {name}", {c: storage(columns[c].reshape(-1, *map(int, fields[c].shape))) for c in wanted.names})


def _direct(name: str, folder: Path) -> dict[str, Array] | None:
    """The data set from its own file: rows of features and the class; none where the file is not as expected."""
    try:
        path = folder / FILES[name]
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
        lines = text.splitlines()
        table = np.array([line.split(",") for line in lines[name != "digits" :]], dtype=np.float64)
        if table.shape[1] != int(SCHEMAS[name]["data"].shape[0]) + 1:
            return None
    except (KeyError, OSError, ValueError, IndexError):
        return None
    data = table[:, :-1]
    return {"data": data, "images": data, "target": table[:, -1].astype(np.int64)}


def _asked(name: str) -> dict[str, Array]:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    return {key: np.asarray(bunch[key]) for key in ("data", "images", "target") if key in bunch}
