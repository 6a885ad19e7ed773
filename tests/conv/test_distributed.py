"""Two processes, started by torchrun as a user starts them, learn what one learns."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from kernelopt import ConvNetClassifier
from kernelopt.conv.distributed import Team
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.regularizers import L2

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
import torch.distributed as dist
from tests.conv.test_distributed import fit, numbers

dist.init_process_group("gloo")
np.savez(f"{sys.argv[1]}/{dist.get_rank()}.npz", **numbers(fit(seed=5 + dist.get_rank())))
dist.destroy_process_group()
left = [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in left), f"threads outlive their process group: {left}"
"""


def fit(seed):
    digits = load_digits()
    X, y = digits.images[:203], digits.target[:203]
    layers = [ConvLayer(3, 3, bank="gabor", trainable=False), ConvLayer(4, 3, kernel_regularizer=L2(0.01),
                                                                        activity_regularizer=L2(0.01))]  # fmt: skip
    model = ConvNetClassifier(
        layers, epochs=4, batch_size=32, label_smoothing=0.1, early_stopping=True, device="cpu",
        random_state=np.random.RandomState(seed),
    )  # fmt: skip
    return model.fit(X, y, sample_weight=1.0 + y)


def numbers(model):
    weights = {name: value.numpy() for name, value in model.network_.state_dict().items()}
    curves = {name: np.array(values) for name, values in model.history_.items()}
    return weights | curves | {"end": np.array(model.gradient_norm_)}


def test_two_processes_learn_what_one_learns_whatever_their_own_seeds(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    result = subprocess.run(
        [*torchrun, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    first, second = (np.load(tmp_path / f"{rank}.npz") for rank in (0, 1))
    alone = numbers(fit(seed=5))
    assert set(first) == set(alone)
    for name, expected in alone.items():
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_allclose(first[name], expected, rtol=1e-3, atol=2e-4, err_msg=name)


def test_parts_of_a_batch_cover_it_once():
    team = Team("cpu")
    for size in (1, 2, 3, 7):
        parts = []
        for rank in range(size):
            team.rank, team.size = rank, size
            parts += range(20)[team.mine(20)]
        assert parts == list(range(20))


def test_a_batch_smaller_than_the_team_is_refused():
    team = Team(torch.device("cpu"))
    team.check(1)
    team.size = 4
    with pytest.raises(ValueError, match="4 processes"):
        team.check(3)
