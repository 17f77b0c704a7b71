"""Functions of one name in different places stay apart by what they call."""


def make(function):
    def inner():
        return function(-1)

    return inner


one, two = make(abs), make(hash)
one()
two()


def again():
    return 1


first = again


def again():
    return len("x")


first()
again()

# expect:
# <module> {
#   make x2
#   make.<locals>.inner { builtins.abs }
#   make.<locals>.inner { builtins.hash }
#   again
#   again { builtins.len }
# }
