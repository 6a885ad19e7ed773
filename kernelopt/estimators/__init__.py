"""The scikit learn estimators."""
