"""Filters learned by backpropagation, and the fixed banks beside them."""
