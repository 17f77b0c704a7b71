"""A loop's calls stand one after the other, C and Python mixed."""


def f(i):
    return i


items = []
for i in range(3):
    f(i)
    items.append(i)
while items:
    items.pop()

# expect:
# <module> {
#   f
#   list.append
#   f
#   list.append
#   f
#   list.append
#   list.pop x3
# }
