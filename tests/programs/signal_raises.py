"""A handler that raises ends what it interrupted."""
import signal


class Stop(Exception):
    pass


def handler(number, frame):
    raise Stop


def work():
    signal.raise_signal(signal.SIGUSR1)


signal.signal(signal.SIGUSR1, handler)
try:
    work()
except Stop:
    pass

# expect:
# <module> {
#   builtins.__build_class__ { Stop }
#   signal:signal
#   work !__main__.Stop { _signal.raise_signal !? { handler !__main__.Stop } }
# }
