"""What the CPUID instruction says, decoded by the vendors' manuals.

Decoding is pure: it asks a lookup `(leaf, subleaf) -> registers`, which may be the instruction, a recording, or a test.

Sources: Intel, Software Developer's Manual, volume 2A, CPUID, and volume 3A, 9.9 "Topology enumeration";
AMD, Architecture Programmer's Manual, volume 3, appendix E.
"""
