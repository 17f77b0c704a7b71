"""Each thread is a lane with its name and its own tree."""
import threading


def work(n):
    for _ in range(n):
        abs(n)


threads = [
    threading.Thread(target=work, args=(1,), name="worker 1"),
    threading.Thread(target=work, args=(2,), name="worker 2"),
]
for thread in threads:
    thread.start()
    thread.join()
