"""Engines: where a sweep's runs are computed. An engine turns a chunk of runs into trajectories.

What a trajectory comes to, :mod:`flatfast.lab.judge` says, whatever the engine.
"""
