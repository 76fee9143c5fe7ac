"""What one GPU does with speechmill: `make gpu`, in sections of at most a minute, each with a file of figures.

Needs torch, torchaudio and the wheels of `make gpu-bundle`; no network, no Ray. Weights are random ones of the
published shapes, made on the machine. `--dry-run` runs every section on the CPU, with tiny weights on the pretended
device of the tests: it shows that the code runs, and its figures mean nothing.
"""
