"""Bilingual notebooks: their cells, views and passages, what keeps both languages together, and how they are run."""
