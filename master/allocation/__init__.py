"""Who is offered what: rules, order and amounts, as pure functions of the books."""
