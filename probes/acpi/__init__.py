"""ACPI tables, decoded from their bytes by the ACPI specification, 6.5.

Firmware is believed about the machine and about nothing else: not about a table's length, not about a structure's.
"""
