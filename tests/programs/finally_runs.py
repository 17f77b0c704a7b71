"""What a finally block calls belongs to the function that is being left."""


def clean():
    pass


def returns():
    try:
        return 1
    finally:
        clean()


def raises():
    try:
        raise ValueError
    finally:
        clean()


def swallows():
    for _ in range(1):
        try:
            raise ValueError
        finally:
            clean()
            break


def replaces():
    try:
        raise ValueError
    finally:
        raise_other()


def raise_other():
    raise OSError


returns()
for function in raises, swallows, replaces:
    try:
        function()
    except (ValueError, OSError):
        pass

# expect:
# <module> {
#   returns { clean }
#   raises !ValueError { clean }
#   swallows { clean }
#   replaces !OSError { raise_other !OSError }
# }
