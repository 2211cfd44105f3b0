"""`python -m tests.drawings`: draws the pictures of docs/lives.md anew."""

from .pictures import PAGE, drawn

PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
