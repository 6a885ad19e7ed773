"""The weight of the losses by cross-validation: what `MKLClassifierCV` and `MKLRegressorCV` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from kernelopt.convex import Certificate, Criterion, Solution
from kernelopt.estimators.base import KernelMachine
from kernelopt.estimators.path import grid, strength_name, walk, with_strength

CHOSEN = ("C_", "Cs_", "lam_", "lams_")


class ByFolds(KernelMachine):
    """Estimator that chooses C or lam by its folds' scores, along one path per fold.

    It stands before the plain estimator among the bases of a class that has that one's parameters but C and lam, and
    ``Cs`` (or ``lams``), ``cv``, ``scoring``, ``refit``.
    """

    plain_class: ClassVar[type[Any]]
    default_scoring: ClassVar[str]

    cv: Any
    scoring: Any
    refit: bool

    def fit(self, X, y, sample_weight=None, **params):
        """Choose the weight of the losses and learn the kernel weights and the machine with it.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d); with kernels="precomputed" a stack (n, n, M)
            Training samples.
        y : array of shape (n,); for regression also (n, n_targets)
            Labels, or values.
        sample_weight : array of shape (n,), optional
            Nonnegative; also given to the scoring, on the held-out samples. With metadata routing it goes to a scorer
            that asks for it.
        **params : dict
            For the splitter and the scorer, by metadata routing.

        Returns
        -------
        self
        """
        _raise_for_params(params, self, "fit")
        base = self._machine()._criterion()
        name = strength_name(base) if hasattr(self, "lams") else "C"
        values = grid(getattr(self, f"{name}s"), name)
        criteria = [with_strength(base, name, value) for value in values]
        valid, targets, w = self._samples(X, y, sample_weight)
        routed = self._routed("fit", sample_weight, params)
        folds = list(check_cv(self.cv, targets, classifier=is_classifier(self)).split(valid, targets, **routed.split))
        samples = valid if self._precomputed else indexable(X)[0]
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(_fold)(self._machine(), samples, targets, w, train, test, criteria, self._scorer, routed.score)
            for train, test in folds
        )
        self._set_scores(name, values, found)
        if not self.refit:
            return self
        best = criteria[int(np.flatnonzero(values == getattr(self, f"{name}_"))[0])]
        start = weights_only(self.weights_path_[:, criteria.index(best)].mean(axis=0))
        self._finish(self._task(valid, targets, w, best, frame=X), best, start)
        return self

    def score(self, X, y, sample_weight=None, **score_params):
        """Return the value of `scoring` at new samples.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n_train, M)
            New samples.
        y : array of shape (n_new,); for regression also (n_new, n_targets)
            Their labels or values.
        sample_weight : array of shape (n_new,), optional
            For the scorer.
        **score_params : dict
            For the scorer, by metadata routing.

        Returns
        -------
        float
        """
        _raise_for_params(score_params, self, "score")
        return self._scorer(self, X, y, **self._routed("score", sample_weight, score_params).score)

    def get_metadata_routing(self):
        """Return where metadata goes: to `fit` itself, to the splitter and to the scorer.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(splitter=check_cv(self.cv), method_mapping=MethodMapping().add(caller="fit", callee="split"))
            .add(
                scorer=self._scorer,
                method_mapping=MethodMapping().add(caller="fit", callee="score").add(caller="score", callee="score"),
            )
        )

    # ---- the steps ---------------------------------------------------------------------------------------------------

    @property
    def _scorer(self):
        return get_scorer(self.default_scoring if self.scoring is None else self.scoring)

    def _routed(self, method: str, sample_weight, params: dict[str, Any]) -> Bunch:
        """Return what goes to the splitter and to the scorer."""
        if _routing_enabled():
            routed = process_routing(self, method, sample_weight=sample_weight, **params)
            return Bunch(split=routed.splitter.split if method == "fit" else {}, score=routed.scorer.score)
        return Bunch(split={}, score={} if sample_weight is None else {"sample_weight": sample_weight})

    def _machine(self, **chosen):
        """Return the plain estimator with these parameters, and none of its own threads."""
        names = set(self.plain_class._get_param_names()) & set(self._get_param_names())
        parameters = {name: getattr(self, name) for name in names}
        return clone(self.plain_class(**(parameters | {"n_jobs": None} | chosen)))

    def _plain(self):
        """Return the unfitted plain estimator with the weight that was chosen."""
        base = self._machine()._criterion()
        name = "lam" if hasattr(self, "lam_") else "C"
        return self._machine(criterion=with_strength(base, name, getattr(self, f"{name}_")))

    def _set_scores(self, name: str, values: np.ndarray, found: Sequence[tuple]) -> None:
        """Set what the folds have found, and the choice: of equal means that of the smoothest function."""
        values_held_out, weights, certificates = zip(*found, strict=True)
        numbers = {len(path[0]) for path in weights}
        if len(numbers) > 1:
            raise ValueError(
                f"kernels made {' or '.join(map(str, sorted(numbers)))} kernels, depending on the fold: weights_path_ "
                f"needs as many in each. Pass a family of one size, or use GridSearchCV({self.plain_class.__name__}())"
            )
        scores = np.array(values_held_out, dtype=float)
        if np.isnan(scores).any():
            fold = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
            raise ValueError(
                f"scoring={self.scoring!r} is not a number on the held-out samples of fold {fold}; choose a scoring "
                f"that is defined on each fold, or cv with larger or stratified folds"
            )
        for attribute in filter(lambda name: hasattr(self, name), (*CHOSEN, "dual_coef_")):
            delattr(self, attribute)  # of a former fit
        mean = scores.mean(axis=0)
        setattr(self, f"{name}s_", values)
        setattr(self, f"{name}_", float(values[np.flatnonzero(mean >= mean.max() - 1e-12 * abs(mean.max()))[0]]))
        self.scores_, self.weights_path_ = scores, np.array(weights)
        self.certificates_path_ = [list(path) for path in certificates]

    def _values(self, X, *, split: bool = False) -> np.ndarray:
        if hasattr(self, "scores_") and not hasattr(self, "dual_coef_"):
            raise NotFittedError(
                f"this {type(self).__name__} was fitted with refit=False and has scores only; pass refit=True"
            )
        return super()._values(X, split=split)


def _fold(machine, X, y, w, train, test, criteria: list[Criterion], scorer, score_params: dict[str, Any]):
    """Return scores, weights and certificates along the path; only the score sees the held-out samples."""
    seen, seen_y = _safe_split(machine, X, y, train)
    held, held_y = _safe_split(machine, X, y, test, train)
    score_params = _check_method_params(y, score_params, indices=test)
    task = machine._task(*machine._samples(seen, seen_y, w[train]), criteria[0], frame=seen)
    scores, weights, certificates = [], [], []
    for solution in walk(machine, task, criteria):
        scores.append(scorer(machine, held, held_y, **score_params))
        weights.append(solution.theta)
        certificates.append(solution.certificate)
    return scores, weights, certificates


def weights_only(theta: np.ndarray) -> Solution:
    """Return a start that says nothing of the dual variables."""
    nothing = np.empty((0, 0))
    return Solution(theta, nothing, np.empty(0), nothing, Certificate(np.inf, -np.inf, np.inf, 1.0))
