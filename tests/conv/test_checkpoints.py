import subprocess
import sys

import numpy as np
import pytest
import torch

from kernelopt.conv.checkpoints import Checkpoint, fingerprint

FIT = """
import hashlib
from sklearn.datasets import load_digits
from kernelopt import ConvNetClassifier
from kernelopt.conv.augmentation import Augmentation

class Stopped(ConvNetClassifier):
    def _progress(self, epochs):
        for epoch in epochs:
            if epoch > STOP:
                raise SystemExit
            yield epoch

def fit(path, optimizer, rate):
    digits = load_digits()
    X, y = digits.images[:160], digits.target[:160]
    model = Stopped(
        filters=(3, 4), kernel_size=3, epochs=6, batch_size=32, random_state=0, device="cpu", optimizer=optimizer,
        augmentation=Augmentation(shift=1), early_stopping=True, n_iter_no_change=6, checkpoint=path,
        learning_rate=rate, weight_decay=0.0,
    ).fit(X, y, sample_weight=1.0 + y)
    digest = hashlib.sha256(repr(sorted(model.history_.items())).encode())
    for value in model.network_.state_dict().values():
        digest.update(value.contiguous().numpy().tobytes())
    digest.update(model.filter_snapshots_.tobytes())
    return [digest.hexdigest(), str(model.n_iter_), str(model.best_epoch_), str(model.gradient_norm_)]
"""


def fit(path=None, stop=100, optimizer="adamw", rate=0.01):
    scope = {"STOP": stop}
    exec(FIT, scope)
    return scope["fit"](path, optimizer, rate)


def fit_elsewhere(path):
    code = f"STOP = 100\n{FIT}\nprint(*fit({str(path)!r}, 'adamw', 0.01))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


# at the first two rates the best epoch comes before the break, and is gone back to
@pytest.mark.parametrize("optimizer, rate, best", [("adamw", 1.0, "2"), ("sgd", 0.5, "1"), ("muon", 0.01, "6")])
def test_a_run_broken_off_goes_on_to_the_same_bits(optimizer, rate, best, tmp_path):
    path = tmp_path / "run"
    whole = fit(optimizer=optimizer, rate=rate)
    assert whole[1:3] == ["6", best]
    with pytest.raises(SystemExit):
        fit(path, stop=3, optimizer=optimizer, rate=rate)
    assert fit(path, optimizer=optimizer, rate=rate) == whole
    assert fit(path, stop=0, optimizer=optimizer, rate=rate) == whole, "a finished run has nothing left to do"
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_it_goes_on_in_another_process_and_the_seed_gives_the_same_bits_there(tmp_path):
    with pytest.raises(SystemExit):
        fit(tmp_path / "half", stop=3)
    whole = fit()
    assert fit_elsewhere(tmp_path / "half") == whole and fit_elsewhere(tmp_path / "none yet") == whole


def test_a_broken_write_leaves_the_old_state(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "run", "a")
    checkpoint.save({"w": torch.ones(3)}, {"epoch": 1})

    def full_disk(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        checkpoint.save({"w": torch.zeros(3)}, {"epoch": 2})
    tensors, facts = checkpoint.load()
    assert tensors["w"].tolist() == [1, 1, 1] and facts == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_other_runs_and_other_files_are_refused(tmp_path):
    path = tmp_path / "run"
    Checkpoint(path, "a").save({"w": torch.ones(3)}, {})
    with pytest.raises(ValueError, match="other data or settings"):
        Checkpoint(path, "b").load()
    for content in (b"", b"x" * 100, path.read_bytes()[:-4]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a training run"):
            Checkpoint(path, "a").load()


def test_bits_shapes_and_settings_are_told_apart():
    zeros = np.zeros(4)
    others = [zeros.reshape(2, 2), zeros.astype(np.float32), -zeros, None]
    assert len({fingerprint(zeros), *map(fingerprint, others)}) == 5
    assert fingerprint(zeros, 1) != fingerprint(zeros, 2)
