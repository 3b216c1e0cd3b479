"""Resolvers of fields that call vendors or compute their value."""
