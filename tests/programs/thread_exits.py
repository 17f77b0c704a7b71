"""sys.exit in a thread ends that thread's calls, and the program goes on."""
import sys
import threading


def leaves():
    sys.exit(3)


thread = threading.Thread(target=leaves, name="leaver")
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
# thread leaver:
# leaves !SystemExit { sys.exit !? }
