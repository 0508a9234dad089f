"""A package that adds to every table; `tests/test_plugin_package.py` installs it."""
