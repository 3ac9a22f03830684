"""Where does the law end: which exponent without noise, from init, or on minibatches?

A map of the best momentum over noise and learning rate.
"""
