"""However the arguments are written, the callee is the same."""


def f(*args, **kwargs):
    return len(args)


args, kwargs = (1, 2), {"a": 1}
f(*args)
f(*args, **kwargs)
f(1, *args, b=2)
print(*(), sep="", end="")
max(*args)

# expect:
# <module> {
#   f x3 { builtins.len }
#   builtins.print
#   builtins.max
# }
