"""A thread may start another."""
import threading


def inner():
    abs(1)


def outer():
    thread = threading.Thread(target=inner, name="inner")
    thread.start()
    thread.join()


thread = threading.Thread(target=outer, name="outer")
thread.start()
thread.join()

# expect:
# <module> {
#   threading:Thread.__init__
#   threading:Thread.start
#   threading:Thread.join
# }
# thread outer:
# outer {
#   threading:Thread.__init__
#   threading:Thread.start
#   threading:Thread.join
# }
# thread inner:
# inner { builtins.abs }
