"""Many runs of SGD at once: :mod:`.simulate` drives the compiled program of :mod:`.batch`."""
