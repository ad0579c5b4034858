"""Machines that are not there: described in hwloc's synthetic syntax, or known from the literature."""
