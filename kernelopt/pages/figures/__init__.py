"""Drawings as inline SVG, styled by the page's CSS variables."""
