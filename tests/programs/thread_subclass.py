"""A thread with its own run method, renamed while it runs."""
import threading


class Worker(threading.Thread):
    def run(self):
        self.name = "renamed"
        abs(1)


worker = Worker(name="first")
worker.start()
worker.join()

# expect:
# <module> {
#   builtins.__build_class__ { Worker }
#   threading:Thread.__init__
#   threading:Thread.start
#   threading:Thread.join
# }
# thread renamed:
# Worker.run { threading:Thread.name builtins.abs }
