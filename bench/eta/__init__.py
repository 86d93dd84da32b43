"""How good the ETAs are, beside peers through the same scorer: `python -m bench.eta`."""
