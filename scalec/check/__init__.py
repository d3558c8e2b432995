"""Desiderata, one file each, and the report. Input: what abstract training found. Output: verdicts and findings."""
