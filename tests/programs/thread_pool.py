"""A pool's thread runs what it is given."""
from concurrent.futures import ThreadPoolExecutor


def work(n):
    return abs(n)


with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
    pool.submit(work, 1).result()
    pool.submit(work, 2).result()

# expect:
# <module> {
#   concurrent.futures.thread:ThreadPoolExecutor.__init__
#   concurrent.futures._base:Executor.__enter__
#   concurrent.futures.thread:ThreadPoolExecutor.submit
#   concurrent.futures._base:Future.result
#   concurrent.futures.thread:ThreadPoolExecutor.submit
#   concurrent.futures._base:Future.result
#   concurrent.futures._base:Executor.__exit__
# }
# thread pool_0:
# work x2 { builtins.abs }
