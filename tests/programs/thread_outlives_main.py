"""A thread that runs on after the main module has ended is recorded to its end."""
import threading

ended = threading.Event()


def work():
    threading.main_thread().join()
    abs(1)


threading.Thread(target=work, name="late").start()

# expect:
# <module> {
#   threading:Event.__init__
#   threading:Thread.__init__
#   threading:Thread.start
# }
# thread late:
# work {
#   threading:main_thread
#   threading:Thread.join
#   builtins.abs
# }
