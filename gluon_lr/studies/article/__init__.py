"""A practitioner's article: schedules compared on an MLP and 20,000 images of Fashion-MNIST."""
