from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import ConvNetClassifier


@parametrize_with_checks([ConvNetClassifier()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)
