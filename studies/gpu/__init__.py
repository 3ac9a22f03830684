"""What does a first quarter of an hour of a GPU say: of the law on CIFAR-10, and of this code?

A queue of all that waits for a GPU, the most valuable first: the sweep of the residual network on
CIFAR-10, at first so coarse that it leaves an exponent wherever it is stopped; the tests that need
a GPU; a calibration there against one on the CPU; throughput against the card's own rates. Every
item runs in a process of its own, so that no library holds the memory of another, and is kept as it
ends; the sweep keeps each chunk of its runs.

    FLATFAST_DATA=/where/the/sets/lie python -m studies gpu --pack --out pack    # anywhere
    FLATFAST_DATA=pack python -m studies gpu --minutes 12                        # on the GPU
"""
