"""Everything the dialplan asks of us, one entry each: a pure decision and a thin shell."""
