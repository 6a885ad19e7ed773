"""The record behind ``kernelopt explain``: both ways of learning a kernel, run once and kept number by number."""
