"""What a variable holds may be a Python function now and a C function next time."""


def f(x):
    return x


def call(function, x):
    return function(x)


def spread(function, args, **named):
    return function(*args, **named)


for _ in range(3):
    for function in (f, f, abs):
        call(function, 1)
        spread(function, (1,))
    spread(f, (), x=2)

# expect:
# <module> {
#   call { f }
#   spread { f }
#   call { f }
#   spread { f }
#   call { builtins.abs }
#   spread { builtins.abs }
#   spread { f }
#   call { f }
#   spread { f }
#   call { f }
#   spread { f }
#   call { builtins.abs }
#   spread { builtins.abs }
#   spread { f }
#   call { f }
#   spread { f }
#   call { f }
#   spread { f }
#   call { builtins.abs }
#   spread { builtins.abs }
#   spread { f }
# }
