"""A generator started on one thread and resumed on another is one call."""
import threading


def numbers():
    yield 1
    abs(1)
    yield 2


def resume():
    next(g)


g = numbers()
next(g)
thread = threading.Thread(target=resume, name="other")
thread.start()
thread.join()
next(g, None)

# expect:
# <module> {
#   builtins.next { numbers ~ }
#   threading:Thread.__init__
#   threading:Thread.start
#   threading:Thread.join
#   builtins.next { ^numbers }
# }
# thread other:
# resume { builtins.next { ^numbers ~ { builtins.abs } } }
