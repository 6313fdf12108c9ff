"""The configuration of regions: what each act requires, read from the seeds alone.

`configuration` reads and writes the seeds, `contracts` says what a row must be, `validation` finds
what is missing or wrong, `account` tells it to people, clause by clause.
"""
