"""Graded exercises: what is derived from their sources, the student's instant checks, and the grader."""
