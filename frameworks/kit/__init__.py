"""What a framework is built from: the pure scheduler interface and the driver that runs it."""
