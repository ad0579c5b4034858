"""What the command line can show a machine as."""

from enum import StrEnum


class Format(StrEnum):
    """What to show a machine as."""

    text = "text"
    json = "json"
    svg = "svg"
    dot = "dot"
    hwloc_xml = "hwloc-xml"
