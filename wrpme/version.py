"""The version of wrpme; in a file of its own, as parts know it that know nothing of the package as a whole."""

VERSION = "0.1.0"
