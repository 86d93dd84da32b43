"""Questions that analysts of corridors ask, their SQL, and the answers by another way."""
