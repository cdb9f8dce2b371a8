"""What scoring gives; imports no torch, as who reads scores needs none."""

Scores = list[list[float]]
"""For each row, a natural log-likelihood for each candidate or class, or one for all labels of a text."""
