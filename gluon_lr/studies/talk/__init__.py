"""A research talk: schedules × rates on CIFAR-10 with a vision transformer and AdamW."""
