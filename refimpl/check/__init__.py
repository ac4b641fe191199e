"""Compares a target's answers with expected ones, suite by suite."""
