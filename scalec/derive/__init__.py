"""Rules from desiderata, and rules up to gauge. Input: a program, what is given. Output: orders, language text."""
