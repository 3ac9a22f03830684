"""Where does the law end: which exponent without noise, from init, or on minibatches?

A map of the best momentum over noise and learning rate: sweeps of matrix sensing with and without
label noise, from the manifold and from the initial point, to several goals, in minibatches and with
a slow mode added; some of teacher and student beside them, and ordinary training on FashionMNIST.
"""
