"""Figures, widgets and the source of algorithms: what the book shows."""
