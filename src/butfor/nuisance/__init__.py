"""Nuisance models: the one cross-fitting engine, learners, folds, cache, overlap and balance."""
