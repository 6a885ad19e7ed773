from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import FilterBank


@parametrize_with_checks([FilterBank()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)
