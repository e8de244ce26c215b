"""The module for ann-benchmarks, in a package that is laid out as that project is."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

OURS = Path(__file__).parents[2] / "Benchmarks" / "ann-benchmarks" / "tessera" / "module.py"


@pytest.fixture
def module(tmp_path, monkeypatch):
    folder = tmp_path / "bench" / "algorithms"
    for name in ("base", "tessera_"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder.parent / "__init__.py").touch()
    (folder / "base" / "module.py").write_text(
        "class BaseANN:\n    def get_batch_results(self):\n        return self.res\n")
    shutil.copy(OURS, folder / "tessera_" / "module.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("bench.algorithms.tessera_.module", fromlist=["module"])
    for name in [name for name in sys.modules if name.split(".")[0] == "bench"]:
        del sys.modules[name]


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_module(module, metric):
    rows = np.random.default_rng(2).standard_normal((500, 16), dtype=np.float32)
    lists, exact = module.Tessera(metric, "IVF8,Flat"), module.TesseraExact(metric)
    for algorithm in (lists, exact):
        algorithm.fit(rows)
    lists.set_query_arguments(8)
    assert "probes=8" in lists.name
    for algorithm in (lists, exact):
        algorithm.batch_query(rows[:9], 3)
        assert (algorithm.get_batch_results()[:, 0] == np.arange(9)).all()
        assert algorithm.query(rows[4], 3).tolist() == algorithm.get_batch_results()[4].tolist()
