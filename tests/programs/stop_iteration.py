"""StopIteration as control flow."""


def raises():
    raise StopIteration


def empty():
    return
    yield


next(empty(), None)
try:
    next(iter([]))
except StopIteration:
    pass
try:
    raises()
except StopIteration:
    pass
list(map(lambda x: raises(), [1]))

# expect:
# <module> {
#   builtins.next { empty }
#   builtins.iter
#   builtins.next !?
#   raises !StopIteration
#   <lambda> !StopIteration { raises !StopIteration }
# }
