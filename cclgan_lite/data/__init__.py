"""Data: pictures, folders, pairs, the rain model, generated scenes."""
