"""An import that fails ends the module's call by its exception."""
try:
    import neighbour_broken
except ZeroDivisionError:
    pass

# expect:
# <module> {
#   neighbour_broken:<module> !ZeroDivisionError {
#     neighbour_broken:broken !ZeroDivisionError
#   }
# }
