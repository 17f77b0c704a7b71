"""A thread may die by an exception."""
import threading


def inner():
    raise ValueError


def dies():
    inner()


threading.excepthook = lambda args: None
thread = threading.Thread(target=dies, name="doomed")
thread.start()
thread.join()
len("x")

# expect:
# <module> {
#   threading:Thread.__init__
#   threading:Thread.start
#   threading:Thread.join
#   builtins.len
# }
# thread doomed:
# dies !ValueError { inner !ValueError }
# <lambda>
