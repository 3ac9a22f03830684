"""Does momentum that follows the learning rate help to train a network?

Perceptrons on small images, in PyTorch. Three kinds of run (label noise from an interpolating
start; label noise from Kaiming's; ordinary minibatch SGD) under three schedules of the learning
rate. Momentum 0.9 with a constant learning rate is tuned first, on validation images; that pair
gives the rules that follow the learning rate their C. Then every method runs at every learning
rate. And a script that is tuned at momentum 0.9 has its learning rate or its batch size changed by
four: what becomes of it with the law, and with momentum left as it is?

``results/training/training.json`` is what was found; every run is a line of ``digits.jsonl`` and
``changed.jsonl`` beside it, from which the analysis starts.
"""
