"""The life of a unit on its legs: `update(state, message) -> outputs`, pure and deterministic."""
