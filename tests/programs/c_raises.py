"""A C function that raises by itself has ended by an exception."""


def catches():
    try:
        [].index(3)
    except ValueError:
        pass
    try:
        len(5)
    except TypeError:
        pass


def passes():
    ord("too long")


catches()
try:
    passes()
except TypeError:
    pass

# expect:
# <module> {
#   catches { list.index !? builtins.len !? }
#   passes !TypeError { builtins.ord !? }
# }
