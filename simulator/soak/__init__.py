"""A day of a centre in less time: the daemon's own house and the stand-in in one process whose clock jumps.

Whenever nobody has anything to do, time jumps to the next timer. While anybody works (our code, the database's
thread, bytes on a socket) time stands still, so no time limit is broken because the machine is slow.
"""
