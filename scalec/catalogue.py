"""Every diagnostic scalec can give, in one table. `scalec explain CODE` prints the `doc`.

SC1xx syntax, SC2xx names and files, SC3xx kinds, sizes and networks, SC4xx planning,
SC5xx findings of `check`, SC6xx emission.
"""

from __future__ import annotations

from scalec.diagnostics import Code

# ---- SC1xx: syntax ---------------------------------------------------------------------------
SYNTAX = Code("SC101", "syntax", "error", "The text does not parse at this place.")
LIMIT = Code("SC102", "limit", "error", "A file is at most 128 kB and nests at most 64 deep; an exponent is a small rational.")
NOT_SUPPORTED = Code("SC103", "not-supported-yet", "error", "The language has this, this version of scalec does not yet.")
NOT_TEXT = Code("SC104", "not-text", "error", "A rule file is UTF-8 text without NUL bytes.")

# ---- SC2xx: names and files ------------------------------------------------------------------
UNKNOWN_NAME = Code("SC201", "unknown-name", "error", "Nothing of this name is declared here or in what the file uses.")
DUPLICATE_NAME = Code("SC202", "duplicate-name", "error", "A name is declared once; two declarations of one name are never merged.")
FILE_NOT_FOUND = Code("SC203", "file-not-found", "error", "`use` takes `std.NAME` or a path to a `.scale` file, relative to the file it stands in.")
CYCLE = Code("SC204", "cycle", "error", "Rules, networks and optimizers may extend others, but never themselves.")
AMBIGUOUS = Code("SC205", "ambiguous", "error", "Several things fit and scalec does not guess.")
ARGUMENTS = Code("SC206", "arguments", "error", "The arguments do not match the parameters.")
UNKNOWN_CODE = Code("SC207", "unknown-code", "error", "No diagnostic has this code or name.")

CODES: tuple[Code, ...] = tuple(
    sorted((value for value in list(globals().values()) if isinstance(value, Code)), key=lambda c: c.id)
)
