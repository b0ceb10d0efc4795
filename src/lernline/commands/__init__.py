"""The command line: one module per group of commands, each a thin face over the stations' services.

Nothing here is imported at start but Typer: a command loads what it needs when it runs.
"""
