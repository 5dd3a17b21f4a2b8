"""The chapter of *Dive into Deep Learning*: LeNet on Fashion-MNIST under five schedules."""
