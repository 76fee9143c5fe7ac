"""Helpers of tests that are not fixtures."""
