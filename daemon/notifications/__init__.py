"""Tells receivers of the operator's (a signed webhook, Slack) of trouble that needs a person, and of its end.

`watch` looks at the status, `conditions` reads from it what holds, `changes` decides what a receiver has to be told,
`message` words it, and `telling` sends it. None of it runs unless a receiver is configured.
"""
