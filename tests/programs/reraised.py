"""A function ends by the exception it raises last, however it came by it."""


def first():
    raise KeyError


def bare():
    try:
        first()
    except KeyError:
        raise


def other():
    try:
        first()
    except KeyError as error:
        raise OSError from error


def saved():
    try:
        first()
    except KeyError as error:
        kept = error
    raise kept


for function in bare, other, saved:
    try:
        function()
    except (KeyError, OSError):
        pass

# expect:
# <module> {
#   bare !KeyError { first !KeyError }
#   other !OSError { first !KeyError }
#   saved !KeyError { first !KeyError }
# }
