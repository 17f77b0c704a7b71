"""A wrapper made with functools.wraps keeps the name of its code."""
import functools


def twice(function):
    @functools.wraps(function)
    def wrapper(*args):
        function(*args)
        function(*args)

    return wrapper


@twice
def work():
    pass


work()

# expect:
# <module> {
#   twice { functools:wraps functools:update_wrapper }
#   twice.<locals>.wrapper { work x2 }
# }
