"""What the language alone has in recurrence: how the step of a cell comes apart, so that it runs fast over many."""
