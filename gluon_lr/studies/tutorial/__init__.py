"""MXNet's *Learning Rate Finder* tutorial: ResNet-18 v2 on CIFAR-10, a search, then three rates."""
