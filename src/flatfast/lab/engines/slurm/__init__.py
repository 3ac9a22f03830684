"""Jobs of SLURM, each of them some minutes of chunks; an array for all that are sent together.

What a job has made of a chunk it puts into a folder in the sweep's, ``.slurm``, which driver and
nodes share; the driver alone writes to the store. Jobs that are preempted, or come near their time
limit, are queued again and go on at their next chunk. A driver that is stopped cancels its jobs;
what a killed one has left is stopped by the next, which uses what its jobs have made.
"""
