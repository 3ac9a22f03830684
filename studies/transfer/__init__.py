"""A tuned setting goes to another batch or learning rate: which rule spares tuning it again?

Networks trained from scratch by minibatches, hardly an example seen twice: a perceptron on digits
with fresh noise, a perceptron and convolutions on FashionMNIST, a transformer on the help texts of
Python, a residual network on CIFAR-10 (which waits for a GPU); by SGD, AdamW and Muon; at a
constant learning rate and one that falls as a cosine. The setting is tuned at one batch. Then the
batch is divided by 4 or multiplied by 4 or 16, or the learning rate divided or multiplied by 4; the
rules of :func:`flatfast.rules`, what people do without them, and nothing at all are compared with
the setting tuned again: all of it at another batch, the momentum at another learning rate.

Declared before the first of the runs that are kept:

- Every run of a task sees as many examples, whatever its batch. The target of a change is the test
  loss that the setting tuned again has after half of them, in the mean over seeds of tuning; it is
  one for all seeds. What counts is the number of examples to it, on the loss smoothed over five
  evaluations that never rises, straight in logarithms between evaluations (1/64 of a run).
- Settings are tuned for the loss after half of the examples, so for the fewest to it, on seeds of
  their own; the comparison's seeds are fresh, and pair runs of the same initial weights and the
  same order of examples. A tuned setting at an end of its grid is but a bound, and is told as one.
- A run that does not come to the target, or diverges, is a failure: it counts with all examples
  given, twice those of the setting tuned again, the least that it can have taken.
- A way *transfers* if it takes at most 2% more examples than the setting tuned again, at 95%
  (one-sided, Student's t over seeds of the logarithm of the ratio in pairs, Holm's correction over
  all comparisons of a task), and no run failed; it *does not* if it takes more than that, by the
  same test in the other direction; otherwise it is *undecided*. The correction is over those that
  are made: further parts of a task can change its verdicts.
- All ways are told, also those whose rule says that it is outside of its domain.

A pilot came before (digits by SGD, cosine, 16 seeds, not kept): with the target after two thirds,
and the loss on digits held out, it no longer fell there, a quarter of the runs of the setting tuned
again failed, and intervals were a quarter wide. So the target went to one half, digits are tested
under fresh noise, losses are smoothed over five evaluations in place of three, and there are more
seeds; then everything was computed anew.

Tuned again on few seeds and a grid, that setting is not the best there is: a way can win against
it, or come to that very point of the grid, which then is no measurement of 2% but a coincidence of
the same runs, and is counted apart.

``results/transfer/transfer.json`` is what was found; every run of the comparison is in the
``.jsonl`` of its task beside it, from which the analysis starts.
"""
