"""How the problems are named in tables and figures."""

TITLES = {
    "fresh-squared": "two layers, squared error",
    "fresh-softmax": "two layers, cross-entropy",
}
