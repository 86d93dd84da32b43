"""The subscriber gateway: people and their systems hear of incidents, and say what they want."""
