"""The common harness: one protocol, one record per cell, statistics made from records."""
