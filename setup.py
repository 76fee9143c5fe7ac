"""The packages of the wheel, found and not listed. All else is in pyproject.toml.

The repository root is the package `speechmill`, and `packages.find` in pyproject.toml knows no prefix. The name of the
script keeps this file out of the wheel, where it would be `speechmill.setup`: builds run it under other names.
"""

from setuptools import find_packages, setup

_LAYERS = find_packages(include=["actors*", "cluster*", "jobs*"])

setup(script_name="setup.py", packages=["speechmill", *(f"speechmill.{name}" for name in _LAYERS)])
