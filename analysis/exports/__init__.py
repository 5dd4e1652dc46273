"""Files for the tools of a control centre, made of what the top unit was told (table ``export``).

>>> from analysis import Run, exports
>>> exports.write(Run("runs/street-1-0123abcd"))        # doctest: +SKIP
"""

from analysis.exports.files import FILES, ExportFile, write
from analysis.exports.readings import meter_readings

__all__ = ["FILES", "ExportFile", "meter_readings", "write"]
