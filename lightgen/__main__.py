"""`python -m lightgen`."""

from lightgen.cli.main import run

run()
