"""A real library: sqlglot parses, optimizes and writes a set of SQL statements."""

from __future__ import annotations

import sqlglot
from harness import run
from sqlglot.optimizer import optimize

SCHEMA: dict[str, object] = {
    "people": {"id": "INT", "name": "TEXT", "town": "TEXT", "born": "DATE"},
    "orders": {"id": "INT", "person_id": "INT", "placed": "DATE", "total": "DECIMAL"},
    "lines": {"order_id": "INT", "item_id": "INT", "count": "INT", "price": "DECIMAL"},
    "items": {"id": "INT", "label": "TEXT", "weight": "INT"},
}

STATEMENTS = (
    "SELECT name, town FROM people WHERE born > '1990-01-01' AND 1 = 1 ORDER BY name",
    """SELECT p.town, COUNT(*) AS orders, SUM(o.total) AS total
       FROM people AS p JOIN orders AS o ON o.person_id = p.id
       WHERE o.placed BETWEEN '2024-01-01' AND '2024-12-31'
       GROUP BY p.town HAVING SUM(o.total) > 1000 ORDER BY total DESC LIMIT 10""",
    """WITH heavy AS (SELECT id, label FROM items WHERE weight > 10 OR weight > 20),
            sold AS (SELECT item_id, SUM(count * price) AS money FROM lines
                     GROUP BY item_id)
       SELECT h.label, s.money FROM heavy AS h JOIN sold AS s ON s.item_id = h.id
       WHERE s.money > 5 AND NOT (h.label = 'x' OR h.label = 'y')""",
    """SELECT name FROM people WHERE EXISTS (
         SELECT 1 FROM orders WHERE orders.person_id = people.id AND total > 100)""",
    """SELECT id, placed, SUM(total) OVER (PARTITION BY person_id ORDER BY id) AS run,
              CASE WHEN total > 500 THEN 'big' WHEN total > 50 THEN 'usual'
                   ELSE 'small' END AS size
       FROM orders""",
    """SELECT town, name FROM (
         SELECT town, name, ROW_NUMBER() OVER (PARTITION BY town ORDER BY born) AS n
         FROM people) AS ranked
       WHERE n <= 3 AND town IN ('Beaune', 'Paris', 'Naples')""",
    """SELECT a.name FROM people AS a, people AS b
       WHERE a.town = b.town AND a.id < b.id AND (a.born < b.born OR a.id > 9)""",
    """SELECT label FROM items WHERE id IN (
         SELECT item_id FROM lines GROUP BY item_id HAVING COUNT(*) > 3)
       UNION ALL SELECT town FROM people WHERE name LIKE 'M%'""",
)


def main(rounds: int) -> int:
    """Handles every statement once a round; the sum is of the lengths written."""
    total = 0
    for _ in range(rounds):
        for statement in STATEMENTS:
            tree = sqlglot.parse_one(statement, read="postgres")
            tree = optimize(tree, schema=SCHEMA, dialect="postgres")
            total += len(tree.sql(dialect="duckdb", pretty=True))
    return total


if __name__ == "__main__":
    run(main, rounds=15)
