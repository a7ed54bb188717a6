"""Sphinx extensions: what the pages of the site hold besides their text."""
