"""What solving to a proof costs: every method on the same problems, in units of one support vector machine."""
