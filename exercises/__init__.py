"""Graded exercises: their sources, what is derived from them, and the grader."""
