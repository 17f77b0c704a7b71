"""A generator expression is a generator."""
sum(abs(x) for x in (1, 2))
any(x for x in (0, 1, 0))

# expect:
# <module> {
#   builtins.sum {
#     <genexpr> ~ { builtins.abs }
#     ^<genexpr> ~ { builtins.abs }
#     ^<genexpr>
#   }
#   %<3.14 builtins.any { <genexpr> ~ ^<genexpr> ~ }
#   @!=3.13 ^!GeneratorExit <genexpr> !GeneratorExit
# }
