"""A seeded world of trade corridors: what happens, what is told of it, and the truth beside it.

It knows nothing of how the kernel estimates: see `docs/simulator.md`.
"""
