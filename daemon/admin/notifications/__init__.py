"""Tells the operator's receivers (a signed webhook, Slack) about trouble that needs a person, and about its end.

`watch` looks at the status, `conditions` reads the present conditions from it, `changes` decides what to tell a
receiver, `message` words it, and `telling` sends it. None of it runs unless a receiver is configured.
"""
