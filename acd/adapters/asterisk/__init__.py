"""The switch: AMI, FastAGI, the journal."""
