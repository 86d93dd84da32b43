"""Where things are: nodes, legs and corridors as data, and what they are good for."""
