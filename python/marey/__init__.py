"""Marey records what a Python program did, and plays it back."""
