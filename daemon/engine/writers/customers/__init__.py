"""Customers with their addresses.

| file | its noun |
|---|---|
| parents | which parent SparkLayer is told of (pure) |
| plan | who may have which e-mail address, and who must be written before whom (pure) |
| exchange | one customer's read and write |
| writer | the `Writer` of customers: from a mapped batch to its outcomes |
"""
