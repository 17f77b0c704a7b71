"""A decorator is called when the function is made, its wrapper at each call."""


def traced(function):
    def wrapper(*args):
        return function(*args)

    return wrapper


@traced
def work(n):
    return abs(n)


work(1)
work(2)

# expect:
# <module> {
#   traced
#   traced.<locals>.wrapper x2 { work { builtins.abs } }
# }
