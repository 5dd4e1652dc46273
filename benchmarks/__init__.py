"""Benchmarks of the parts of fernwatt: ``python -m benchmarks``.

Each module has ``run() -> list[dict]``, a row per figure with the keys ``name``, ``value``,
``unit``, ``reference`` (what it is held against, or None), ``ratio`` (above 1 is better than the
reference, or None) and ``note``.
"""
