"""`python -m fairlead.cli`: the command where no script is installed, and what daemons run as."""

from .door import main

main()
