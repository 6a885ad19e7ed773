"""What can go wrong with a data set: it is not there, or it is not what its name says."""


class DatasetNotFoundError(FileNotFoundError):
    """A data set that is not packaged was not found; the message says how to get it."""


class DatasetCorruptError(ValueError):
    """A data file is truncated, damaged, or not the file its name says it is."""
