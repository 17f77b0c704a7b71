"""One call site that calls Python functions and C functions in turn misses neither."""


def f(x):
    return x


for function in (len, f, repr, abs, f):
    function(1) if function is not len else function("x")
target = f
for i in range(4):
    target(1)
    target = abs if i % 2 else f

# options: --exact
# expect:
# <module> {
#   builtins.len
#   f
#   builtins.repr
#   builtins.abs
#   f x3
#   builtins.abs
#   f
# }
