"""Engines: where the runs of a sweep are computed. An engine turns a chunk of runs into rows."""
