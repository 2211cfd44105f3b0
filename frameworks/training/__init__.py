"""The training framework: jobs share GPUs by slices; Gandiva-like. Start at `scheduler`."""
