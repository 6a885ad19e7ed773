"""The data sets of the papers and of the contrast, with their sources and licences.

`load` returns a frozen record; `names` and `describe` tell what there is, and `table` prints it.
Small sets are packaged. Large ones, and two whose licence is unclear, are read from your own
files and checked against known digests; nothing is downloaded and nothing is unpickled.
"""

from kernelopt.datasets.catalog import names
from kernelopt.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from kernelopt.datasets.listing import describe, table
from kernelopt.datasets.loading import load
from kernelopt.datasets.record import Dataset

__all__ = ["Dataset", "DatasetCorruptError", "DatasetNotFoundError", "describe", "load", "names", "table"]
