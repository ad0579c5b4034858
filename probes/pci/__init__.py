"""PCI functions, decoded from their configuration space.

Sources: PCI Local Bus Specification 3.0 (chapter 6), PCI-to-PCI Bridge Architecture Specification 1.2 (chapter 3),
PC Card Standard 8.0 (CardBus bridges), PCI Express Base Specification 6.0 (7.5 to 7.9).
"""
