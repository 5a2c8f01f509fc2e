"""Deraining pictures of any size, and the files that trained derainers live in."""
