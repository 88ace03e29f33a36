"""The doctor: observations in, findings out. Pure; whoever observes is elsewhere."""
