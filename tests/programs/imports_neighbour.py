"""An import runs the module once, in the call that imports it."""
import neighbour


def work():
    import neighbour

    from neighbour import helper

    return helper(1)


work()

# expect:
# <module> {
#   neighbour:<module> { neighbour:helper { builtins.abs } }
#   work { neighbour:helper { builtins.abs } }
# }
