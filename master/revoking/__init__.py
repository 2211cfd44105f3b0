"""Taking back what exceeds a fair share: who may lose, what, by when.

`fair` finds what each should have, `losers` who is owed something and by whom, `takings` which
tasks that costs, in books that are `imagined` otherwise. `notices` tells it and carries it out;
`revocations` are what is under way.
"""
