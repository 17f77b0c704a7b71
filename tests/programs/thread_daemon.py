"""A daemon thread is still inside its calls when the program ends."""
import threading

started = threading.Event()
never = threading.Lock()
never.acquire()


def inner():
    started.set()
    never.acquire()


def stays():
    inner()


threading.Thread(target=stays, name="daemon", daemon=True).start()
started.wait()

# expect:
# <module> {
#   threading:Event.__init__
#   @<3.13 _thread.allocate_lock
#   lock.acquire
#   threading:Thread.__init__
#   threading:Thread.start
#   threading:Event.wait
# }
# thread daemon:
# stays ... {
#   inner ... { threading:Event.set lock.acquire ... }
# }
