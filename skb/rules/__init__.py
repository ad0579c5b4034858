"""The rules: those of the installation, and those that people teach.

Those of the installation lie in a checkout beside the package, in an installed wheel inside it.
"""

from pathlib import Path


def rules_directory() -> Path:
    """Give the folder of the rules. Raises FileNotFoundError if this installation has none."""
    package = Path(__file__).parent.parent
    for candidate in (package.parent / "rules", package / "_rules"):
        if (candidate / "facts.pl").is_file():
            return candidate
    raise FileNotFoundError("the rules (rules/facts.pl) are missing from this installation of skb; install it again")
