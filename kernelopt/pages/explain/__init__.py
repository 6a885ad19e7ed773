"""The page of ``kernelopt explain``: pure rendering of a lesson's record and of the packaged study."""
