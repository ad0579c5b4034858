"""The System Knowledge Base: knows what a machine is, reasons about it, answers over HTTP."""
