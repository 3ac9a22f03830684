"""Does a search by short runs find a pair of learning rate and momentum worth training with?

:func:`flatfast.torch.find` spends a small share of a training on short runs and names a pair. Four
trainings by SGD with a cosine schedule (perceptrons on digits with fresh noise and on FashionMNIST,
a convolutional network on FashionMNIST, a transformer on the help texts of Python), each from
scratch and from half-way, on three seeds, are then run with that pair, and with every pair of a
full sweep on the same initial weights and batches.

Written down before any of these runs:

- What counts is the test loss at the end, over the least of the sweep's mean losses over seeds.
  The search *is good enough* if that ratio, in the geometric mean over seeds, is at most 1.02 in
  the median of the eight cases and 1.10 in the worst, no run with its pair diverges, and it costs
  less than 15% of a training. The best of the sweep is chosen on the very seeds it is judged on, so
  it is a little better than anything that could be known before.
- The pair that is judged is the one that is named: carried on to the training's steps. The pair as
  measured at the long horizon is told beside it.
- It is compared with momentum 0.9 at the learning rate that is best for it over the same seeds, and
  with momentum 0.9 at the effective step of the pair found, which says whether it was the momentum
  that mattered.
- Where a tuned pair is at hand and the learning rate or the batch changes (the two perceptrons,
  from scratch; learning rate divided or multiplied by 4, batch multiplied by 2), a search at the
  changed setting is compared with what costs nothing: the 2/3 law through the tuned pair, the
  effective step kept, and nothing. Again the ratio to the best of a sweep there, by no bar: which
  is least?

A pilot came before, on digits and FashionMNIST perceptrons with other seeds, and shaped the search:
cosine runs in place of constant ones, the rule that a momentum's memory must fit into a run, two
horizons in place of three. The first two parts of this study, those perceptrons from scratch with
one seed, were looked at: the learning rate, then carried on by an exponent between theory's and the
one seen at the short horizons, came out at half of the best. It is carried on by the middle of what
theory allows since then, and everything was computed anew. The convolutional network, the
transformer, half-way and the changes had not been looked at.

Since the verdict a search that is not seen to lower the loss says to keep what has served
(``found.ok``). In this study, where two and perhaps more of the searches from half-way would have,
the pair was judged all the same.

Asked once the verdict was known: how much must be spent? The same searches from scratch with half,
one and two trainings' gradients.
"""
