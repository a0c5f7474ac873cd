"""Customers with their addresses.

| file | its noun |
|---|---|
| plan | who may have which e-mail address, and who must be written before whom (pure) |
| writer | the `Writer` of customers: from a mapped batch to its verdicts |
"""
