# Everything runs in .venv, made on first use and again when the dependencies change.
PYTHON ?= python3
STAMP := .venv/.stamp
BUILT := .venv/.built
BIN := .venv/bin

.PHONY: contrast test lint bench clean

contrast: $(BUILT)  ## the main job: run the small study, write report.html
	$(BIN)/kernelopt contrast -o report.html

test: lint  ## lint, types, doctests and the whole suite
	$(BIN)/python -m pytest

lint: $(BUILT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[conv,report,test]'
	touch $@

# The compiled part again, when its sources have changed.
$(BUILT): $(STAMP) $(wildcard kernelopt/compiled/*.[ch])
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .
	touch $@

bench: $(BUILT)  ## solvers against each other, as ratios in one run (long)
	$(BIN)/python -m experiments.benchmarks

clean:
	rm -rf .venv kernelopt/compiled/*.so build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
