"""How far is the mean of SGD from the limit dynamics, as the learning rate falls?

SGD with label noise and ``1 - momentum = C lr^(2/3)`` against the limit at the same times
``t = k lr^(2/3)``: the path with every mode's mean variance, and the mean of paths with random
amplitudes. The problems are scalar products of width 1 and 30, matrix sensing, and a product of
two vectors whose number of modes can be chosen (:mod:`studies.limit.rank_one`).

SGD takes some 600,000 steps of wide batches in double precision: minutes on a GPU, days on a CPU.
It is compared with the limit where the folder of runs holds both. A further learning rate on top of
the committed result therefore needs the limit's parts of its case once more: ``--again`` with
``--only mean-field.CASE --only random.CASE``.
"""
