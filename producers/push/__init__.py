"""The HTTP push gateway: parties send messages, and hear that they are kept once they are."""
