"""Does the noise of batches drive the law's drift in training that never fits its data?

Where every step draws new examples, the loss stays at the noise of the labels and gradients of
different batches never agree. In a well-specified model their covariance is the curvature over the
batch's size: the form of label noise, with ``s^2 = 1 / B`` (softmax) or the noise's variance over B
(squared error). Then the drift, the exponent 2/3 and C should be those of label noise, and
``calibrate(..., noise="all")`` should find C from gradients of different batches.
"""
