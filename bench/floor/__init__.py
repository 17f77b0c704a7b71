"""The floor: what the interpreter's own hooks cost when nothing is done in them.

`python -m floor [--disable | --count] SCRIPT args...` runs a script with every event
that a tracer of calls needs switched on, and callbacks in C that return at once. No
tracer can cost less on these hooks; what it costs more is its own doing.
"""
