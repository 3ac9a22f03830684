"""Does momentum that follows the learning rate help to train a network?

Perceptrons on small images in PyTorch: methods, schedules, learning rates.
"""
