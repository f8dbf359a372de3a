"""The secretarial domain: project, hours, instructions, message, case, delivery. Pure like the core."""
