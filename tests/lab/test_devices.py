"""Devices of a process: one a core, and two at least, so that a row is the same on any machine."""

import multiprocessing
import os

import pytest

from flatfast.lab.engines.devices import devices_of, use_all_cores

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores"
)


def on_one_core(found):
    os.environ.pop("JAX_NUM_CPU_DEVICES", None)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    found.send(use_all_cores())


@needs_affinity
def test_a_process_on_one_core_has_two_devices():
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=on_one_core, args=(there,))
    process.start()
    assert here.recv() == 2
    process.join()


def test_devices_of_cores():
    assert [devices_of(cores) for cores in (1, 2, 3, 64)] == [2, 2, 3, 64]
