"""The door: endpoint, playground, health."""
