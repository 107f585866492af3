"""Clusters as mixtures of distributions: how many, of which family, how sure, how stable.

Rooms, each building only on those before it: model (what a mixture is), em (passes over the rows), tables (users'
files, whole or in parts), search (from many starts to the best maximum), bootstrap (resampling), choice (families and
numbers of clusters), tasks (what runs).
"""
