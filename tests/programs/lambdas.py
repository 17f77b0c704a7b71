"""A lambda is a function named <lambda>."""
double = lambda x: abs(x) + x
(lambda f: f(1))(double)
list(map(lambda x: double(x), [1]))

# expect:
# <module> { <lambda> x2 { <lambda> { builtins.abs } } }
