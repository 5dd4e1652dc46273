"""Flexibility."""
