"""Lernline: lesson events recorded, rolled up into progress, certified and reported."""

__version__ = "0.1.0"
