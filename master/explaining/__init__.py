"""Answers to "why do I get nothing?", from the rules that said no."""
