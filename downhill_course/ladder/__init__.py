"""The ladder: rules that students submit, run on problems drawn from a secret seed, and ranked."""
