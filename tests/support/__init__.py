"""Builders that several suites share."""
