"""except* handles part of a group; the rest goes on."""


def raises():
    raise ExceptionGroup("both", [ValueError(), KeyError()])


def handles():
    try:
        raises()
    except* ValueError:
        abs(1)


try:
    handles()
except ExceptionGroup:
    pass

# expect:
# <module> {
#   handles !ExceptionGroup {
#     raises !ExceptionGroup
#     builtins.abs
#   }
# }
