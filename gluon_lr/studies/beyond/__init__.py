"""What else can be scheduled: batch size, momentum, weight decay; and rates that watch the training."""
