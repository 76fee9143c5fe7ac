"""Helpers of tests that are no fixtures."""
